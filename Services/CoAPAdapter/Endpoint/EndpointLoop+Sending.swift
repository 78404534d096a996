// SPDX-License-Identifier: Apache-2.0
import CCoAP
import Logging
import NIOCore

// What goes out.
extension EndpointLoop {
    /// Answers a request: in its acknowledgement where that has not gone yet. Once; later calls have no effect.
    func respond(_ id: ExchangeID, _ response: CoAPResponse) {
        guard let exchange = exchanges.removeValue(forKey: id) else { return }
        defer { coap_session_release(exchange.session) }
        exchangeBytes -= exchange.origin.size
        let isWanted = !exchange.options.suppresses(response.code)
        guard let key = exchange.key else {
            // Over a reliable transport types and message identifiers mean nothing.
            if isWanted { send(response, COAP_MESSAGE_NON, 0, exchange.token, exchange.session) }
            return
        }
        guard exchange.isConfirmable else {
            memory.finish(key, .nonConfirmable)
            if isWanted { send(response, COAP_MESSAGE_NON, nil, exchange.token, exchange.session) }
            return
        }
        guard isWanted else {
            memory.finish(key, .separate)
            if !exchange.isAcknowledged { sendAcknowledgement(exchange.messageID, exchange.session) }
            return
        }
        if exchange.isAcknowledged {
            memory.finish(key, .separate)
            send(response, COAP_MESSAGE_CON, nil, exchange.token, exchange.session)
        } else {
            memory.finish(key, .piggybacked(response))
            send(response, COAP_MESSAGE_ACK, exchange.messageID, exchange.token, exchange.session)
        }
    }

    /// Acknowledges a request whose answer takes longer (RFC 7252 section 5.2.2).
    func acknowledge(_ id: ExchangeID) {
        guard let exchange = exchanges[id], exchange.isConfirmable, !exchange.isAcknowledged else { return }
        exchanges[id]?.isAcknowledged = true
        sendAcknowledgement(exchange.messageID, exchange.session)
    }

    /// Where a request came from; nil: it is not under way any more.
    func origin(_ id: ExchangeID) -> ExchangeOrigin? { exchanges[id]?.origin }

    /// Asks whether anybody is at the address that a request came from.
    func ping(_ id: ExchangeID) {
        guard let exchange = exchanges[id], canSend(exchange.session) else { return }
        coap_session_send_ping(exchange.session)
    }

    func sendAcknowledgement(_ messageID: UInt16, _ session: OpaquePointer) {
        guard canSend(session), let message = coap_pdu_init(COAP_MESSAGE_ACK, COAP_EMPTY_CODE, Int32(messageID), 0)
        else { return }
        coap_send(session, message)
    }

    // MARK: Observations

    /// From now on ``notify(_:_:isConfirmable:)`` reaches whoever sent the request. One that the client had with this token is closed.
    ///
    /// - Returns: nil when the request is not under way any more; and what was closed.
    func openObservation(_ id: ExchangeID) -> (opened: ObservationID, closed: ObservationID?)? {
        guard let exchange = exchanges[id] else { return nil }
        let closed = observation(of: id)
        if let closed { closeObservation(closed) }
        let opened = ObservationID(number: nextNumber())
        let observation = Observation(
            session: coap_session_reference(exchange.session), sessionNumber: number(of: exchange.session),
            transport: exchange.transport, token: exchange.token)
        observations[opened] = observation
        observationsByToken[observation.key] = opened
        observationsBySession[observation.sessionNumber, default: []].insert(opened)
        return (opened, closed)
    }

    /// The observation that the sender of the request has with the request's token.
    func observation(of id: ExchangeID) -> ObservationID? {
        guard let exchange = exchanges[id] else { return nil }
        return observationsByToken[ObservationKey(session: number(of: exchange.session), token: exchange.token)]
    }

    /// Sends a notification.
    @discardableResult
    func notify(_ id: ObservationID, _ response: CoAPResponse, isConfirmable: Bool) -> Notified {
        guard let observation = observations[id] else { return .gone }
        guard !observation.transport.isReliable || hasRoom(observation.sessionNumber) else { return .notNow }
        let type = isConfirmable && !observation.transport.isReliable ? COAP_MESSAGE_CON : COAP_MESSAGE_NON
        let isSent = send(
            response, type, observation.transport.isReliable ? 0 : nil, observation.token, observation.session)
        return isSent ? .sent : .gone
    }

    func closeObservation(_ id: ObservationID) {
        guard let observation = observations.removeValue(forKey: id) else { return }
        if observationsByToken[observation.key] == id { observationsByToken[observation.key] = nil }
        observationsBySession[observation.sessionNumber]?.remove(id)
        if observationsBySession[observation.sessionNumber]?.isEmpty == true {
            observationsBySession[observation.sessionNumber] = nil
        }
        coap_session_release(observation.session)
    }

    func closeObservations(ofSession session: UInt64, _ reason: ObservationEnd) {
        for id in observationsBySession[session] ?? [] {
            closeObservation(id)
            handler?.observationEnded(id, reason)
        }
    }

    // MARK: Messages

    /// Beside the payload: token, options, marker.
    private static let overheadBytes = 96
    /// The largest block (RFC 7959 section 2.2), which fits into a datagram that is not cut up on its way (RFC 7252 section 4.6).
    private static let datagramBytes = 1_024

    /// Bytes of payload that one message can carry to whoever sent the request; nil: it is not under way any more.
    func room(_ id: ExchangeID) -> Int? { exchanges[id].map { room($0.transport, $0.session) } }

    /// As ``room(_:)`` for a notification.
    func room(_ id: ObservationID) -> Int? { observations[id].map { room($0.transport, $0.session) } }

    private func room(_ transport: CoAPTransport, _ session: OpaquePointer) -> Int {
        guard transport.isReliable else { return Self.datagramBytes }
        // What the other side takes (RFC 8323 section 5.3.1).
        return max(16, coap_session_max_pdu_size(session) - Self.overheadBytes)
    }

    /// To send on a session that has ended would make the library connect to the other side.
    private func canSend(_ session: OpaquePointer) -> Bool {
        coap_session_get_state(session) == COAP_SESSION_STATE_ESTABLISHED
    }

    /// - Parameter messageID: nil for a new one.
    @discardableResult
    func send(
        _ response: CoAPResponse, _ type: coap_pdu_type_t, _ messageID: UInt16?, _ token: CoAPToken,
        _ session: OpaquePointer
    ) -> Bool {
        guard canSend(session) else { return false }
        let identifier = messageID ?? coap_new_message_id(session)
        guard
            let message = coap_pdu_init(
                type, coap_pdu_code_t(rawValue: UInt32(response.code.rawValue)), Int32(identifier),
                coap_session_max_pdu_size(session))
        else { return false }
        guard fill(message, response, token) else {
            coap_delete_pdu(message)
            // The other side of a connection says how much it takes: that may be too little for anything.
            logger.debug(
                "a response does not fit into a message",
                metadata: ["code": "\(response.code)", "bytes": "\(response.payload.readableBytes)"])
            return false
        }
        let isSent = coap_send(session, message) != COAP_INVALID_MID
        // Over a reliable transport messages have no identifiers.
        if isSent, messageID == 0, CoAPTransport(coap_session_get_proto(session))?.isReliable == true {
            noteSent(response.size, session)
        }
        return isSent
    }

    private func fill(_ message: OpaquePointer, _ response: CoAPResponse, _ token: CoAPToken) -> Bool {
        let hasToken = token.withBytes { bytes in
            coap_add_token(message, bytes.count, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)) != 0
        }
        guard hasToken else { return false }
        for option in response.options {
            guard coap_add_option(message, option.number, option.value.count, option.value) != 0 else { return false }
        }
        guard response.payload.readableBytes > 0 else { return true }
        return response.payload.withUnsafeReadableBytes { bytes in
            coap_add_data(message, bytes.count, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)) != 0
        }
    }
}
