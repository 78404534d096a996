// SPDX-License-Identifier: Apache-2.0
import CCoAP

/// What a connection has not said to have taken.
struct Untaken {
    var bytes: Int
    let session: OpaquePointer
}

// Connections over TCP and TLS: the library keeps what a socket does not take, and takes any number of connections.
extension EndpointLoop {
    /// After so many bytes a connection is asked, by a ping, whether it has taken them; before it has answered it is sent no more than twice as much.
    private static let windowBytes = 256 << 10
    /// What the library keeps for an answer of two bytes to a ping.
    private static let pongBytes = 256

    func hasRoom(_ session: UInt64) -> Bool { (untaken[session]?.bytes ?? 0) < 2 * Self.windowBytes }

    func noteSent(_ bytes: Int, _ session: OpaquePointer) {
        let number = number(of: session)
        let before = untaken[number]?.bytes ?? 0
        untaken[number] = Untaken(bytes: before + bytes, session: session)
        untakenBytes += bytes
        // Pings and what comes before them stay in order (RFC 8323 section 5.4).
        if before < Self.windowBytes, before + bytes >= Self.windowBytes { coap_session_send_ping(session) }
        guard untakenBytes > configuration.maximumUntakenBytes,
            let most = untaken.max(by: { $0.value.bytes < $1.value.bytes })
        else { return }
        condemn(most.value.session, "unread-answers")
    }

    /// It was pinged by the other side, and the library answers.
    func wasPinged(_ session: OpaquePointer) {
        guard let transport = CoAPTransport(coap_session_get_proto(session)), transport.isReliable else { return }
        guard hasRoom(number(of: session)) else { return condemn(session, "unread-answers") }
        noteSent(Self.pongBytes, session)
    }

    /// - Returns: whether there was anything.
    @discardableResult
    func forgetUntaken(_ session: UInt64) -> Bool {
        guard let before = untaken.removeValue(forKey: session) else { return false }
        untakenBytes -= before.bytes
        return true
    }

    func connected(_ session: OpaquePointer) {
        guard let address = coap_session_get_addr_remote(session) else { return }
        let network = PeerAddress(address.pointee).network
        let number = number(of: session)
        guard connections.updateValue(network, forKey: number) == nil else { return }
        connectionsByNetwork[network, default: 0] += 1
        if connections.count > configuration.maximumConnections
            || connectionsByNetwork[network] ?? 0 > configuration.maximumConnectionsOfNetwork
        {
            condemn(session, "connections-maximum")
        }
    }

    func disconnected(_ session: UInt64) {
        forgetUntaken(session)
        guard let network = connections.removeValue(forKey: session) else { return }
        let left = (connectionsByNetwork[network] ?? 1) - 1
        connectionsByNetwork[network] = left > 0 ? left : nil
    }

    private func condemn(_ session: OpaquePointer, _ reason: String) {
        forgetUntaken(number(of: session))
        guard !condemned.contains(session) else { return }
        handler?.cutOff(reason)
        condemned.append(coap_session_reference(session))
    }

    func endCondemned() {
        guard !condemned.isEmpty else { return }
        let sessions = condemned
        condemned = []
        for session in sessions {
            coap_session_disconnected(session, COAP_NACK_NOT_DELIVERABLE)
            coap_session_release(session)
        }
    }
}
