// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Synchronization

/// The live streams of people; the adapters bound their number by bounding connections.
final class PersonSessions: Sendable {
    struct Session: Sendable {
        /// Judged again now and then; never logged.
        let token: String
        let user: UserID
        /// Of a key: the key's identifier.
        let session: SessionID
        let domain: DomainID
        let address: ChannelAddress
        let channel: ChannelID
        let onEnd: @Sendable (ServiceError) -> Void
    }

    private struct State: Sendable {
        var next: UInt64 = 1
        var sessions: [UInt64: Session] = [:]
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.sessions.count } }

    var all: [(number: UInt64, session: Session)] { matching { _ in true } }

    func on(_ channel: ChannelID) -> [(number: UInt64, session: Session)] { matching { $0.channel == channel } }

    func insert(_ session: Session) -> UInt64 {
        state.withLock { state in
            let number = state.next
            state.next += 1
            state.sessions[number] = session
            return number
        }
    }

    func remove(_ number: UInt64) {
        state.withLock { _ = $0.sessions.removeValue(forKey: number) }
    }

    func end(_ number: UInt64, because error: ServiceError) {
        state.withLock { $0.sessions.removeValue(forKey: number) }?.onEnd(error)
    }

    func end(on channel: ChannelID, because error: ServiceError) {
        for (number, _) in on(channel) { end(number, because: error) }
    }

    /// Ends what an event of `users` certainly ends. A domain that is disabled or frozen, and a member who is taken out, revoke sessions, each with
    /// an event of its own; keys they leave alone (``touched(by:)``).
    func apply(userEvent event: EntityEvent) {
        let ended: [(number: UInt64, session: Session)]
        switch (event.entity, event.what) {
        case ("session", "revoked"), ("key", "revoked"): ended = matching { $0.session == event.session }
        case ("user", "disabled"), ("user", "removed"): ended = matching { $0.user == event.user }
        default: return
        }
        for (number, _) in ended { end(number, because: .sessionEnded) }
    }

    /// Whose rights an event of `users`, or one of `things` about roles and groups, may have changed: a key has those that its user has now.
    func touched(by event: EntityEvent) -> [UInt64] {
        guard event.entity != "session" else { return [] }
        return matching { session in
            if let user = event.user { return session.user == user }
            return event.domain.map { session.domain == $0 } ?? true
        }.map(\.number)
    }

    private func matching(_ condition: (Session) -> Bool) -> [(number: UInt64, session: Session)] {
        state.withLock { state in
            state.sessions.compactMap { condition($0.value) ? (number: $0.key, session: $0.value) : nil }
        }
    }
}

/// A person's right to listen that is being watched; ``cancel()`` when the stream ends by itself.
public struct PersonSession: Sendable {
    public let channel: ChannelID
    public let domain: DomainID
    let number: UInt64
    let sessions: PersonSessions

    /// Forgets the stream: its callback is not called any more (one that is under way may still arrive).
    public func cancel() { sessions.remove(number) }
}

extension ServiceError {
    /// A channel of another domain is answered as one that does not exist.
    static let unknownChannelForPerson = ServiceError(
        .notFound, reason: "unknown-channel", "There is no such channel for who asks.")

    static let sessionEnded = ServiceError(
        .unauthenticated, reason: "session-ended", "The session of the token was ended.")
}
