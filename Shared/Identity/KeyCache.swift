// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Synchronization

/// The keys that were asked for lately, good and bad, by their hash. Events take entries back; between the question and its answer a change
/// may have been announced, so an answer is kept only when there was none.
final class KeyCache: Sendable {
    /// Of each kind, about 500 bytes each. Policy: one more empties the table, and who comes next is asked for again.
    static let maximumEntries = 10_000
    /// Events take a good key back at once; this bounds what a lost event could do.
    static let goodNanoseconds: Int64 = 300 * 1_000_000_000
    /// A key that is made later has another hash, so this only bounds the table's age.
    static let badNanoseconds: Int64 = 30 * 1_000_000_000

    struct Found: Sendable {
        /// nil: it is known that there is no such key.
        var key: KeyIdentification.Key?
    }

    private struct Good {
        var key: KeyIdentification.Key
        var until: Int64
    }

    private struct State {
        var good: [String: Good] = [:]
        var bad: [String: Int64] = [:]
        var generation: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Changes with every announcement; see ``insert(_:for:generation:now:)``.
    var generation: UInt64 { state.withLock { $0.generation } }

    /// - Returns: nil when it has to be asked for.
    func find(_ hash: String, now: Int64) -> Found? {
        state.withLock { state in
            if let good = state.good[hash] {
                guard good.until > now else { return nil }
                return Found(key: good.key)
            }
            guard let until = state.bad[hash], until > now else { return nil }
            return Found(key: nil)
        }
    }

    /// - Parameter generation: from before the question.
    func insert(_ key: KeyIdentification.Key?, for hash: String, generation: UInt64, now: Int64) {
        state.withLock { state in
            guard state.generation == generation else { return }
            guard let key else {
                if state.bad.count >= Self.maximumEntries { state.bad = [:] }
                state.bad[hash] = now + Self.badNanoseconds
                return
            }
            if state.good.count >= Self.maximumEntries { state.good = [:] }
            state.good[hash] = Good(key: key, until: now + Self.goodNanoseconds)
        }
    }

    /// Something was announced that may change what keys are good for.
    func take(_ event: EntityEvent) {
        guard event.entity != "session" else { return }
        state.withLock { state in
            state.generation &+= 1
            // Keys that became good were unknown before.
            state.bad = [:]
            if let user = event.user {
                state.good = state.good.filter { $0.value.key.user != user }
            } else if let domain = event.domain {
                state.good = state.good.filter { $0.value.key.domain != domain }
            } else {
                state.good = [:]
            }
        }
    }

    /// Events may have been lost.
    func clear() {
        state.withLock { state in
            state.generation &+= 1
            state.good = [:]
            state.bad = [:]
        }
    }

    var count: Int { state.withLock { $0.good.count + $0.bad.count } }
}
