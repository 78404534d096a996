// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

// What is not known yet of an address.
//
// A datagram's address may be a victim's. So an answer that is longer than three times the request waits until the address has answered a CoAP ping
// (an empty confirmable message, RFC 7252 section 4.3), which every client does; to one that does not, 4.01 with an Echo option is sent (RFC 9175 section 2.3).
extension Gateway {
    /// Answers that wait until their address has answered.
    struct AddressCheck {
        var answers: [(exchange: ExchangeID, response: CoAPResponse)] = []
        let startedAt: UInt64
        var isPingedAgain = false
    }

    private static let maximumChecks = 1_024
    private static let maximumAnswers = 4
    /// After this long an address that has not answered is sent an Echo option.
    private static let patienceNanoseconds: UInt64 = 2_000_000_000
    /// After this long it is pinged once more: libcoap's clients pass over one within 250 ms of their start, and take no blocks out of a separate response, which
    /// the answer is after a second.
    private static let secondPingNanoseconds: UInt64 = 300_000_000

    func admits(_ peer: PeerAddress, _ transport: CoAPTransport) -> Bool {
        guard addresses?.draw(peer.network, now: EndpointLoop.now()) != false else {
            metrics.ignored("address-rate")
            return false
        }
        return true
    }

    /// A request of this address was somebody's.
    func vouched(for peer: PeerAddress) { addresses?.giveBack(peer.network) }

    func noteEcho(_ request: CoAPRequest) {
        let now = EndpointLoop.now()
        guard request.transport == .udp, let echo = request.options.echo,
            verified.isGood(echo, of: request.peer, now: now)
        else { return }
        verified.insert(request.peer, now: now)
    }

    /// Answers a request, as far as its address is known well enough for that.
    func respond(_ exchange: ExchangeID, _ response: CoAPResponse) {
        guard let origin = loop.origin(exchange), isTooLong(response, origin) else {
            return finish(exchange, response)
        }
        guard response.code.isSuccess else {
            // Its code says enough.
            var short = response
            short.payload = ByteBuffer()
            return finish(exchange, short)
        }
        var check = checks[origin.peer] ?? AddressCheck(startedAt: EndpointLoop.now())
        guard check.answers.count < Self.maximumAnswers, checks[origin.peer] != nil || checks.count < Self.maximumChecks
        else { return challenge(exchange, origin.peer) }
        check.answers.append((exchange, response))
        guard checks.updateValue(check, forKey: origin.peer) == nil else { return }
        loop.ping(exchange)
        pingDeadline = pingDeadline ?? check.startedAt &+ Self.secondPingNanoseconds
    }

    /// Pings those again who have not answered.
    func pingAgain(_ now: UInt64) {
        var next: UInt64?
        for (peer, check) in checks where !check.isPingedAgain {
            let due = check.startedAt &+ Self.secondPingNanoseconds
            guard due <= now else {
                next = min(next ?? due, due)
                continue
            }
            checks[peer]?.isPingedAgain = true
            if let exchange = check.answers.first?.exchange { loop.ping(exchange) }
        }
        pingDeadline = next
    }

    private func isTooLong(_ response: CoAPResponse, _ origin: ExchangeOrigin) -> Bool {
        origin.transport == .udp && settings.verifiesAddresses && !verified.contains(origin.peer)
            && response.size > VerifiedAddresses.factor * origin.size
    }

    private func finish(_ exchange: ExchangeID, _ response: CoAPResponse) {
        metrics.responded(response.code)
        loop.respond(exchange, response)
    }

    private func challenge(_ exchange: ExchangeID, _ peer: PeerAddress) {
        metrics.refused("address-unverified")
        var response = CoAPResponse(.unauthorized)
        response.echo = verified.echo(for: peer, now: EndpointLoop.now())
        finish(exchange, response)
    }

    /// The address has answered a ping: whoever sends from there receives there.
    func pinged(_ peer: PeerAddress) {
        verified.insert(peer, now: EndpointLoop.now())
        for answer in checks.removeValue(forKey: peer)?.answers ?? [] { finish(answer.exchange, answer.response) }
        for observer in observers.observers(of: peer) where !observer.isVerified {
            var observer = observer
            observer.isVerified = true
            observers.update(observer)
            notifyWaiting(observer.id, now: EndpointLoop.now())
        }
    }

    /// Nobody is there: what was to be sent there is not.
    func pingFailed(_ peer: PeerAddress) {
        for observer in observers.observers(of: peer) where !observer.isVerified {
            loop.closeObservation(observer.id)
            end(observer.id, "unverified")
        }
    }

    /// Gives those an Echo option who answer no pings.
    func lookAtChecks(_ now: UInt64) {
        verified.expire(now)
        for (peer, check) in checks where check.startedAt &+ Self.patienceNanoseconds <= now {
            checks[peer] = nil
            for answer in check.answers { challenge(answer.exchange, peer) }
        }
    }
}
