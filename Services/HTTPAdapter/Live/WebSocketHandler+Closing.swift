// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import NIOWebSocket

/// The end, said by either side (RFC 6455 section 7).
extension WebSocketHandler {
    func end(_ end: LiveEnd) {
        let refusal = Refusal(end)
        let code: CloseCode
        switch end {
        case .withdrawn: code = .policyViolation
        case .slowConsumer: code = .tryAgainLater
        case .shuttingDown: code = .goingAway
        }
        close(
            code, end == .slowConsumer ? refusal.reason : "\(refusal.reason): \(refusal.detail)",
            counting: refusal.reason)
    }

    /// Says why, and waits a little for the client to say so too.
    ///
    /// - Parameter metric: what it is counted under; the reason when nil.
    func close(_ code: CloseCode, _ reason: String, counting metric: String? = nil) {
        guard phase == .open else { return }
        phase = .closing
        loop.live.metrics.count(ended: metric ?? reason)
        letGo()
        closeDeadline = .now() + loop.live.limits.closeTimeout
        outlet.send(WebSocketFraming.close(code, reason))
    }

    /// The client's close frame came first: it gets its code back.
    func closed(byClient payload: ByteBuffer) {
        var payload = payload
        guard let number = payload.readInteger(as: UInt16.self) else {
            guard payload.readableBytes == 0 else { return close(.protocolError, "close-frame") }
            return answerClose(ByteBuffer())
        }
        guard Self.mayBeSent(number) else { return close(.protocolError, "close-code") }
        guard payload.withUnsafeReadableBytes(UTF8Validation.isValid) else {
            return close(.invalidPayload, "close-reason-not-utf8")
        }
        answerClose(ByteBuffer(integer: number))
    }

    private func answerClose(_ payload: ByteBuffer) {
        letGo()
        outlet.send(WebSocketFraming.frame(.connectionClose, payload))
        finishClosing()
    }

    /// RFC 6455 section 7.4: the codes that may stand in a frame.
    private static func mayBeSent(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }

    /// Both close frames are said: shuts the sending side and waits a little for the client to close.
    func finishClosing() {
        guard phase == .open || phase == .closing else { return }
        phase = .lingering
        closeDeadline = .now() + loop.limits.lingerTimeout
        outlet.onDrained = { [weak self] in self?.context?.close(mode: .output, promise: nil) }
        outlet.flush()
        readOn()
    }

    /// Nothing more is delivered, and what waited is not sent; what is on its way to the bus goes on.
    private func letGo() {
        opening.close(loop.live)
        outlet.onDrained = nil
        outlet.dropQueued()
        assembly = nil
    }

    func drain() { end(.shuttingDown) }

    func close() {
        guard phase != .closed else { return }
        context?.close(promise: nil)
    }
}
