// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Synchronization

/// The sessions and users whose tokens are refused although they have not expired. It only grows until an entry's time is over, because nothing is ever
/// un-revoked: a user who is enabled again logs in again.
final class RevocationList: Sendable {
    /// Entries of each kind at most. Beyond it the list says that it is incomplete, and nothing is let in until it was fetched again:
    /// to forget a revocation silently would be worse. 500,000 entries take about 40 MiB.
    static let maximumEntries = 500_000

    private struct State {
        /// Until when (Unix seconds) the session's tokens could live.
        var sessions: [SessionID: Int64] = [:]
        /// Tokens of the user issued up to this second are refused.
        var users: [UserID: Int64] = [:]
        var isComplete = false
    }

    private let state = Mutex(State())

    func add(session: SessionID, until: Int64) {
        state.withLock { state in
            guard state.sessions.count < Self.maximumEntries else {
                state.isComplete = false
                return
            }
            state.sessions[session] = max(until, state.sessions[session] ?? 0)
        }
    }

    func add(user: UserID, at second: Int64) {
        state.withLock { state in
            guard state.users.count < Self.maximumEntries else {
                state.isComplete = false
                return
            }
            state.users[user] = max(second, state.users[user] ?? 0)
        }
    }

    /// Takes in a list that was fetched as a whole, and forgets what is over.
    func merge(_ fetched: RevokedSessions, now second: Int64) {
        state.withLock { state in
            let horizon = AccessTokenClaims.maximumLifetimeSeconds + AccessTokenValidator.leewaySeconds
            state.sessions = state.sessions.filter { $0.value + AccessTokenValidator.leewaySeconds >= second }
            state.users = state.users.filter { $0.value + horizon >= second }
            for entry in fetched.sessions {
                state.sessions[entry.session] = max(entry.until, state.sessions[entry.session] ?? 0)
            }
            state.isComplete = state.sessions.count <= Self.maximumEntries
        }
    }

    /// nil: cannot be decided, because the list was never fetched.
    func isRevoked(_ claims: AccessTokenClaims) -> Bool? {
        state.withLock { state in
            if state.sessions[claims.sid] != nil { return true }
            if let second = state.users[claims.sub], claims.iat <= second { return true }
            return state.isComplete ? false : nil
        }
    }

    var count: Int { state.withLock { $0.sessions.count + $0.users.count } }
}
