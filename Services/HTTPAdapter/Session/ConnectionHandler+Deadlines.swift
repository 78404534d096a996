// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Deadlines: plain fields that the loop's sweep looks at, not a timer for every request.
extension ConnectionHandler {
    func checkDeadlines(now: NIODeadline) {
        if let writeDeadline, now >= writeDeadline {
            loop.metrics.count(refused: "client-not-reading")
            return close()
        }
        switch phase {
        case .closed, .handingOver: return
        case .lingering:
            if now >= readDeadline { close() }
            return
        case .open, .finishing: break
        }
        checkAcknowledgements(now: now)
        if now >= readDeadline { readingTookTooLong() }
    }

    /// The bus is asked in order, so the oldest publish is the first to be overdue.
    private func checkAcknowledgements(now: NIODeadline) {
        var number = firstNumber
        for exchange in exchanges {
            defer { number &+= 1 }
            guard exchange.answer == nil, let publishedAt = exchange.publishedAt else { continue }
            guard now >= publishedAt + loop.limits.acknowledgementTimeout else { break }
            answer(number, .refused(.acknowledgementOverdue))
        }
    }

    private func readingTookTooLong() {
        switch reading {
        case .head where headBegan:
            let number = nextNumber
            exchanges.append(Exchange(startedAt: .now(), isHEAD: false, keepsAlive: false, isHTTP10: false))
            answer(number, .refused(Self.tooSlow), closes: true)
        case .head:
            // Idle, or waiting for an answer: nothing is owed to a client that asks nothing.
            if exchanges.isEmpty { close() }
        case .body(let request):
            drop(request)
            reading = .discarding(allowance: 0)
            answer(request.number, .refused(Self.tooSlow), closes: true)
        case .discarding:
            loop.metrics.count(refused: Self.tooSlow.reason)
            phase = .finishing
            reading = .discarding(allowance: 0)
            if exchanges.isEmpty { linger() }
        }
        readDeadline = .now() + loop.limits.idleTimeout
    }

    static let tooSlow = Refusal(
        status: 408, reason: "request-too-slow", "The request did not arrive in the time that it may take.")
}
