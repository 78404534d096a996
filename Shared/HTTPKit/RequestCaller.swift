// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Synchronization

/// Who turned out to be asking, and why it was refused: known inside of the handlers only, and needed outside of them, where the answer is seen.
///
/// A reference, because contexts are copied on the way in.
final class RequestCaller: Sendable {
    private struct State {
        var principal: Principal?
        var attempted: UserID?
        var reason: String?
    }

    private let state = Mutex(State())

    var principal: Principal? {
        get { state.withLock { $0.principal } }
        set { state.withLock { $0.principal = newValue } }
    }

    /// Whose credentials somebody tried.
    var attempted: UserID? {
        get { state.withLock { $0.attempted } }
        set { state.withLock { $0.attempted = newValue } }
    }

    /// The problem's reason, where the answer is one.
    var reason: String? {
        get { state.withLock { $0.reason } }
        set { state.withLock { $0.reason = newValue } }
    }
}
