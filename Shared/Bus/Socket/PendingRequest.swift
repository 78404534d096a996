// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Brings a request and the cancellation of its task together, whichever comes first.
final class PendingRequest: Sendable {
    private enum State {
        case waiting
        case began(UInt64)
        case cancelled
    }

    private let state = Mutex(State.waiting)

    /// - Returns: true when the task had been cancelled.
    func began(_ identifier: UInt64) -> Bool {
        state.withLock { state in
            if case .cancelled = state { return true }
            state = .began(identifier)
            return false
        }
    }

    /// - Returns: the request that is to be given up, when it had begun.
    func cancelled() -> UInt64? {
        state.withLock { state in
            defer { state = .cancelled }
            if case .began(let identifier) = state { return identifier }
            return nil
        }
    }
}

extension SocketSession {
    func giveUpRequest(_ identifier: UInt64) {
        outgoing.withLock { $0.requests.take(identifier) }?.resume(returning: .failure(.timeout))
    }
}
