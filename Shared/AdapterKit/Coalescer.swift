// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Makes one question of all those that are the same and asked at the same time.
///
/// Bounded: at most `maximumKeys` questions under way and `maximumWaiters` waiting for them (policy: refuse).
final class Coalescer<Key: Hashable & Sendable, Answer: Sendable>: Sendable {
    typealias Completion = @Sendable (Answer) -> Void

    enum Admission {
        /// The first to ask: it must see to it that ``complete(_:with:)`` is called.
        case first
        case joined
        case full
    }

    private struct State: Sendable {
        var waiting: [Key: [Completion]] = [:]
        var waiters = 0
    }

    private let state = Mutex(State())
    private let maximumKeys: Int
    private let maximumWaiters: Int

    init(maximumKeys: Int, maximumWaiters: Int) {
        self.maximumKeys = maximumKeys
        self.maximumWaiters = maximumWaiters
    }

    var waiters: Int { state.withLock { $0.waiters } }

    func join(_ key: Key, _ completion: @escaping Completion) -> Admission {
        state.withLock { state in
            guard state.waiters < maximumWaiters else { return .full }
            if state.waiting[key] != nil {
                state.waiting[key]?.append(completion)
                state.waiters += 1
                return .joined
            }
            guard state.waiting.count < maximumKeys else { return .full }
            state.waiting[key] = [completion]
            state.waiters += 1
            return .first
        }
    }

    /// Calls all who wait for `key`, outside the lock.
    func complete(_ key: Key, with answer: Answer) {
        let completions = state.withLock { state in
            let completions = state.waiting.removeValue(forKey: key) ?? []
            state.waiters -= completions.count
            return completions
        }
        for completion in completions { completion(answer) }
    }
}
