// SPDX-License-Identifier: Apache-2.0
import DequeModule
import NIOCore

/// Knows a message that comes again by its endpoint and message identifier (RFC 7252 section 4.5), and what it was answered.
///
/// Bounded: by age (EXCHANGE_LIFETIME, RFC 7252 section 4.8.2), by number, and by the bytes of answers that are kept; the oldest is forgotten first.
struct ExchangeMemory {
    struct Key: Hashable, Sendable {
        let peer: PeerAddress
        let session: UInt64
        let messageID: UInt16
    }

    enum Answer: Sendable, Equatable {
        /// Behind an acknowledgement of its own; the library repeats the response itself until it is acknowledged.
        case separate
        /// In the acknowledgement.
        case piggybacked(CoAPResponse)
        /// A non-confirmable message is not answered again.
        case nonConfirmable

        /// Whether it shows that the request was somebody's.
        var isGood: Bool {
            guard case .piggybacked(let response) = self else { return false }
            return response.code.isSuccess
        }
    }

    enum Verdict: Equatable {
        case new
        /// The first is still under way.
        case pending(ExchangeID)
        case answered(Answer)
    }

    /// 247 s: what a confirmable message takes at the longest, and the same for others (NON_LIFETIME is 145 s).
    static let lifetimeNanoseconds: UInt64 = 247_000_000_000

    private enum State {
        case pending(ExchangeID)
        case answered(Answer)
    }

    private struct Entry {
        var state: State
        var startedAt: UInt64
    }

    private let maximumEntries: Int
    private let maximumBytes: Int
    private var entries: [Key: Entry] = [:]
    /// In the order of their beginning; one whose entry began at another time is of one that was forgotten.
    private var order: Deque<(key: Key, startedAt: UInt64)> = []
    private(set) var bytes = 0
    /// Forgotten before their time.
    private(set) var forgotten: UInt64 = 0

    init(maximumEntries: Int, maximumBytes: Int) {
        self.maximumEntries = max(1, maximumEntries)
        self.maximumBytes = maximumBytes
    }

    var count: Int { entries.count }

    /// Notes a message, unless it came before.
    ///
    /// - Parameter now: monotonic nanoseconds.
    mutating func begin(_ key: Key, _ exchange: ExchangeID, now: UInt64) -> Verdict {
        expire(now)
        switch entries[key]?.state {
        case .pending(let exchange): return .pending(exchange)
        case .answered(let answer): return .answered(answer)
        case nil: break
        }
        if entries.count >= maximumEntries { forgetOldest() }
        entries[key] = Entry(state: .pending(exchange), startedAt: now)
        order.append((key, now))
        return .new
    }

    mutating func finish(_ key: Key, _ answer: Answer) {
        guard var entry = entries[key], case .pending = entry.state else { return }
        entry.state = .answered(answer)
        entries[key] = entry
        bytes += Self.size(answer)
        while bytes > maximumBytes, !order.isEmpty { forgetOldest() }
    }

    mutating func expire(_ now: UInt64) {
        while let oldest = order.first, oldest.startedAt &+ Self.lifetimeNanoseconds <= now {
            order.removeFirst()
            remove(oldest)
        }
    }

    private mutating func forgetOldest() {
        guard let oldest = order.popFirst() else { return }
        if remove(oldest) { forgotten &+= 1 }
    }

    @discardableResult
    private mutating func remove(_ oldest: (key: Key, startedAt: UInt64)) -> Bool {
        guard let entry = entries[oldest.key], entry.startedAt == oldest.startedAt else { return false }
        entries[oldest.key] = nil
        if case .answered(let answer) = entry.state { bytes -= Self.size(answer) }
        return true
    }

    private static func size(_ answer: Answer) -> Int {
        guard case .piggybacked(let response) = answer else { return 0 }
        return response.payload.readableBytes
    }
}

/// A request under way in this process.
struct ExchangeID: Hashable, Sendable {
    let number: UInt64
}
