// SPDX-License-Identifier: Apache-2.0
import CCoAP
import Core
import Glibc

// The library's context: its settings and its callbacks, which come on the endpoint's thread from within the calls of the loop.
extension EndpointLoop {
    func setUp() throws(EndpointError) {
        coap_set_app_data(context, Unmanaged.passUnretained(self).toOpaque())
        // Blocks are ours: the library would hold bodies before anybody has said who sends them.
        coap_context_set_block_mode(context, 0)
        coap_context_set_max_idle_sessions(context, UInt32(clamping: configuration.maximumIdleSessions))
        coap_context_set_session_timeout(context, UInt32(clamping: configuration.sessionTimeoutSeconds))
        coap_context_set_max_handshake_sessions(context, UInt32(clamping: configuration.maximumHandshakes))
        try addResources()
        coap_register_event_handler(context) { session, event in
            guard let session else { return 0 }
            EndpointLoop.of(session)?.happened(event, session)
            return 0
        }
        coap_register_nack_handler(context) { session, sent, reason, _ in
            guard let session, let sent else { return }
            EndpointLoop.of(session)?.notAcknowledged(sent, reason, session)
        }
        coap_register_ping_handler(context) { session, _, _ in
            guard let session else { return }
            EndpointLoop.of(session)?.wasPinged(session)
        }
        coap_register_pong_handler(context) { session, _, _ in
            guard let session else { return }
            EndpointLoop.of(session)?.ponged(session)
        }
        coap_context_set_csm_max_message_size(context, Self.maximumMessageBytes)
        if let security = configuration.security { try setUpSecurity(security) }
        for listener in configuration.listeners {
            guard var address = listener.socketAddress else {
                throw EndpointError("'\(listener.host)' is no IPv4 or IPv6 address")
            }
            guard let endpoint = coap_new_endpoint(context, &address, listener.transport.libraryValue) else {
                let problem = String(cString: strerror(errno))
                throw EndpointError(
                    "cannot listen on \(listener.host) port \(listener.port) (\(listener.transport.rawValue)): \(problem)"
                )
            }
            if listener.transport == .udp { coap_endpoint_set_default_mtu(endpoint, Self.maximumDatagramBytes) }
        }
        findPorts()
    }

    /// Of a message over TCP or TLS: the largest payload, and room for options.
    private static let maximumMessageBytes = UInt32(Limits.payloadBytes + (8 << 10))

    /// Of a datagram that is read. The library reads 1,472 bytes at the most and does not notice when there are more, so it must be told to refuse those.
    private static let maximumDatagramBytes: UInt32 = 1_440

    /// One resource for every path; another for the path that the library would answer itself.
    private func addResources() throws(EndpointError) {
        let handler: coap_method_handler_t = { _, session, request, _, response in
            guard let session, let request, let response else { return }
            // Without a code and not an acknowledgement it is not sent.
            coap_pdu_set_type(response, COAP_MESSAGE_NON)
            EndpointLoop.of(session)?.take(request, session)
        }
        guard let unknown = coap_resource_unknown_init2(handler, 0),
            let wellKnown = coap_resource_init(coap_make_str_const(".well-known/core"), 0)
        else { throw EndpointError("libcoap has no memory") }
        for resource in [unknown, wellKnown] {
            for method in CoAPMethod.allCases {
                coap_register_request_handler(resource, coap_request_t(rawValue: UInt32(method.rawValue)), handler)
            }
            coap_add_resource(context, resource)
        }
    }

    static func of(_ session: OpaquePointer) -> EndpointLoop? {
        guard let context = coap_session_get_context(session), let owner = coap_get_app_data(context) else {
            return nil
        }
        return Unmanaged<EndpointLoop>.fromOpaque(owner).takeUnretainedValue()
    }
}
