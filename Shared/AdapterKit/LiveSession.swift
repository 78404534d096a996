// SPDX-License-Identifier: Apache-2.0

/// A registered session; ``cancel()`` when the connection ends by itself.
public struct LiveSession: Sendable {
    let entry: LiveSessions.Session
    let sessions: LiveSessions

    /// Forgets the session: its callback is not called any more (one that is under way may still arrive).
    public func cancel() { sessions.remove(entry) }
}
