// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The port that a listener got, known once it listens.
public final class BoundPort: Sendable {
    private enum State {
        case waiting([CheckedContinuation<Int, Never>])
        case bound(Int)
    }

    private let state = Mutex(State.waiting([]))

    public init() {}

    /// Waits until the listener listens.
    public func value() async -> Int {
        await withCheckedContinuation { continuation in
            let port: Int? = state.withLock { state in
                switch state {
                case .bound(let port): return port
                case .waiting(let waiters):
                    state = .waiting(waiters + [continuation])
                    return nil
                }
            }
            if let port { continuation.resume(returning: port) }
        }
    }

    /// Says which port it is; the first call counts.
    public func set(_ port: Int) {
        let waiters: [CheckedContinuation<Int, Never>] = state.withLock { state in
            guard case .waiting(let waiters) = state else { return [] }
            state = .bound(port)
            return waiters
        }
        for waiter in waiters { waiter.resume(returning: port) }
    }
}
