// SPDX-License-Identifier: Apache-2.0
import CCoAP
import NIOCore

// What comes in.
extension EndpointLoop {
    /// A session gets its number with its first request; the library's pointer may come again for another.
    func number(of session: OpaquePointer) -> UInt64 {
        if let known = coap_session_get_app_data(session) { return UInt64(UInt(bitPattern: known)) }
        let number = nextNumber()
        coap_session_set_app_data(session, UnsafeMutableRawPointer(bitPattern: UInt(number)))
        // Confirmable messages of ours under way: one of an observation must not hold up a separate response.
        coap_session_set_nstart(session, Self.maximumConfirmable)
        return number
    }

    private static let maximumConfirmable: UInt16 = 4

    /// A request, in the library's hands until this returns.
    func take(_ request: OpaquePointer, _ session: OpaquePointer) {
        guard let handler, let transport = CoAPTransport(coap_session_get_proto(session)),
            let address = coap_session_get_addr_remote(session)
        else { return }
        let peer = PeerAddress(address.pointee)
        let type = coap_pdu_get_type(request)
        // A request in an acknowledgement is none (RFC 7252 section 4.2), which the library passes over.
        guard transport.isReliable || type == COAP_MESSAGE_CON || type == COAP_MESSAGE_NON else { return }
        guard handler.admits(peer, transport) else { return }
        port(of: transport)?.saw(peer.network, now: Self.now())
        let sessionNumber = number(of: session)
        guard !transport.isReliable || hasRoom(sessionNumber) else { return handler.ignored("unread-answers") }
        let messageID = UInt16(truncatingIfNeeded: coap_pdu_get_mid(request))
        let isConfirmable = type == COAP_MESSAGE_CON
        let bytes = coap_pdu_get_token(request)
        guard let token = CoAPToken(UnsafeRawBufferPointer(start: bytes.s, count: bytes.length)) else { return }
        let exchange = ExchangeID(number: nextNumber())
        var key: ExchangeMemory.Key?
        if !transport.isReliable {
            let found = ExchangeMemory.Key(
                peer: peer, session: transport == .udp ? 0 : sessionNumber, messageID: messageID)
            switch memory.begin(found, exchange, now: Self.now()) {
            case .new: key = found
            case .pending(let first):
                handler.receivedAgain(peer, isGood: false)
                // The acknowledgement that it had, if it had one, was lost.
                if exchanges[first]?.isAcknowledged == true, isConfirmable { sendAcknowledgement(messageID, session) }
                return
            case .answered(let answer):
                handler.receivedAgain(peer, isGood: answer.isGood)
                repeatAnswer(answer, messageID, token, session)
                return
            }
        }
        let options = Self.options(of: request)
        var payloadBytes = 0
        var payload: UnsafePointer<UInt8>?
        coap_get_data(request, &payloadBytes, &payload)
        exchanges[exchange] = Exchange(
            session: coap_session_reference(session), transport: transport, token: token, messageID: messageID,
            isConfirmable: isConfirmable, options: options, key: key,
            origin: ExchangeOrigin(
                transport: transport, peer: peer, size: 4 + Int(token.count) + options.size + payloadBytes))
        exchangeBytes += exchanges[exchange]?.origin.size ?? 0
        guard exchanges.count <= configuration.maximumExchanges, exchangeBytes <= configuration.maximumExchangeBytes
        else {
            handler.overloaded()
            return respond(exchange, Refusal.overloaded.response)
        }
        if isConfirmable, !transport.isReliable {
            unacknowledged.append((exchange, Self.now() &+ configuration.acknowledgeAfterNanoseconds))
        }
        handler.received(
            CoAPRequest(
                method: CoAPMethod(rawValue: UInt8(truncatingIfNeeded: coap_pdu_get_code(request).rawValue)),
                transport: transport, peer: peer, session: transport == .udp ? 0 : sessionNumber,
                proof: transport.isSecure ? proofs[sessionNumber] : nil, isConfirmable: isConfirmable,
                messageID: messageID, token: token, options: options, payload: Self.payload(of: request)), exchange)
    }

    private func repeatAnswer(
        _ answer: ExchangeMemory.Answer, _ messageID: UInt16, _ token: CoAPToken, _ session: OpaquePointer
    ) {
        switch answer {
        case .separate: sendAcknowledgement(messageID, session)
        case .piggybacked(let response): send(response, COAP_MESSAGE_ACK, messageID, token, session)
        case .nonConfirmable: break
        }
    }

    private static func options(of request: OpaquePointer) -> CoAPOptions {
        var options = CoAPOptions()
        var iterator = coap_opt_iterator_t()
        guard coap_option_iterator_init(request, &iterator, nil) != nil else { return options }
        while let option = coap_option_next(&iterator) {
            options.add(
                iterator.number,
                UnsafeRawBufferPointer(start: coap_opt_value(option), count: Int(coap_opt_length(option))))
        }
        return options
    }

    private static func payload(of request: OpaquePointer) -> ByteBuffer {
        var count = 0
        var bytes: UnsafePointer<UInt8>?
        guard coap_get_data(request, &count, &bytes) != 0, let bytes, count > 0 else { return ByteBuffer() }
        return ByteBuffer(bytes: UnsafeRawBufferPointer(start: bytes, count: count))
    }

    // MARK: What the library tells of sessions and of what was sent

    func happened(_ event: coap_event_t, _ session: OpaquePointer) {
        switch event {
        case COAP_EVENT_SERVER_SESSION_NEW:
            switch CoAPTransport(coap_session_get_proto(session)) {
            case .dtls: handshakeBegan(session)
            case .tcp, .tls: connected(session)
            case .udp, nil: break
            }
        case COAP_EVENT_DTLS_CONNECTED:
            handshakeEnded(session)
            secured(session)
        case COAP_EVENT_DTLS_CLOSED, COAP_EVENT_TCP_CLOSED, COAP_EVENT_SESSION_CLOSED, COAP_EVENT_SESSION_FAILED,
            COAP_EVENT_SERVER_SESSION_DEL, COAP_EVENT_DTLS_ERROR:
            guard let known = coap_session_get_app_data(session) else { return }
            let number = UInt64(UInt(bitPattern: known))
            closeObservations(ofSession: number, .disconnected)
            disconnected(number)
            guard proofs.removeValue(forKey: number) != nil else { return }
            handler?.sessionEnded(number)
        default: break
        }
    }

    /// A connection has taken everything that was sent before the ping (RFC 8323 section 5.4: pings and what comes before them stay in order).
    func ponged(_ session: OpaquePointer) {
        guard let known = coap_session_get_app_data(session),
            forgetUntaken(UInt64(UInt(bitPattern: known)))
        else { return }
        handler?.mayNotifyAgain()
    }

    /// A confirmable message of ours was answered by a Reset message, or not at all.
    func notAcknowledged(_ sent: OpaquePointer, _ reason: coap_nack_reason_t, _ session: OpaquePointer) {
        guard let known = coap_session_get_app_data(session) else { return }
        guard coap_pdu_get_code(sent) != COAP_EMPTY_CODE else {
            // A Reset message is what a ping is answered by (RFC 7252 section 4.3).
            guard let address = coap_session_get_addr_remote(session) else { return }
            let peer = PeerAddress(address.pointee)
            reason == COAP_NACK_RST ? handler?.pinged(peer) : handler?.pingFailed(peer)
            return
        }
        let bytes = coap_pdu_get_token(sent)
        guard let token = CoAPToken(UnsafeRawBufferPointer(start: bytes.s, count: bytes.length)) else { return }
        let key = ObservationKey(session: UInt64(UInt(bitPattern: known)), token: token)
        guard let observation = observationsByToken[key] else { return }
        guard reason == COAP_NACK_RST else {
            // Nobody is there: neither for its other observations.
            return closeObservations(ofSession: key.session, .timeout)
        }
        closeObservation(observation)
        handler?.observationEnded(observation, .reset)
    }
}
