// SPDX-License-Identifier: Apache-2.0
import Core
import DequeModule
import Messaging
import Synchronization

/// The long-lived connections whose right must end when it is taken back; the adapters bound their number by bounding connections.
final class LiveSessions: Sendable {
    private struct State: Sendable {
        var count = 0
        var byThing = Index<ThingID>()
        var byChannel = Index<ChannelID>()
        /// To be asked about, in the order in which that was found; some have ended meanwhile. None is in it twice.
        var due: Deque<Session> = []

        func contains(_ session: Session) -> Bool { byThing.contains(session, at: session.thing) }

        mutating func insert(_ session: Session) {
            count += 1
            byThing.insert(session, at: session.thing)
            if let channel = session.channel?.id { byChannel.insert(session, at: channel) }
        }

        /// - Returns: whether it was there.
        mutating func remove(_ session: Session) -> Bool {
            guard byThing.remove(session, at: session.thing) else { return false }
            count -= 1
            if let channel = session.channel?.id { byChannel.remove(session, at: channel) }
            return true
        }

        mutating func markDue(_ session: Session) {
            if session.markDue() { due.append(session) }
        }

        func touched(by scope: RightsChange.Scope) -> [Session] {
            switch scope {
            case .everything: byThing.all
            case .thing(let thing): byThing[thing]
            case .channel(let channel): byChannel[channel]
            case .connection(let thing, let channel): byThing[thing].filter { $0.channel?.id == channel }
            }
        }
    }

    private let state = Mutex(State())
    private let wake: AsyncStream<Void>.Continuation
    /// One element, at most, while something is due.
    let wakes: AsyncStream<Void>

    init() {
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var count: Int { state.withLock { $0.count } }

    func insert(_ session: Session) -> LiveSession {
        state.withLock { $0.insert(session) }
        return LiveSession(entry: session, sessions: self)
    }

    func remove(_ session: Session) {
        guard state.withLock({ $0.remove(session) }) else { return }
        session.forget()
    }

    /// Ends the sessions that a change certainly ends, and marks those that it may end.
    func apply(_ change: RightsChange) {
        let ended = state.withLock { state in
            let touched = state.touched(by: change.scope)
            guard change.endsSessions else {
                for session in touched { state.markDue(session) }
                return [Session]()
            }
            return touched.filter { state.remove($0) }
        }
        for session in ended { session.end(Self.ended(by: change)) }
        wake.yield()
    }

    func markDue(_ session: Session) {
        state.withLock { if $0.contains(session) { $0.markDue(session) } }
        wake.yield()
    }

    /// Takes up to `limit` of the sessions that are due, those first that have been for longest.
    func takeDue(limit: Int) -> [Session] {
        state.withLock { state in
            var taken: [Session] = []
            while taken.count < limit, let session = state.due.popFirst() {
                session.clearDue()
                if state.contains(session) { taken.append(session) }
            }
            // All of them were due after a reconnect to the bus: the room is not kept for the next.
            if state.due.isEmpty { state.due = [] }
            return taken
        }
    }

    func end(_ session: Session, because error: ServiceError) {
        guard state.withLock({ $0.remove(session) }) else { return }
        session.end(error)
    }

    private static func ended(by change: RightsChange) -> ServiceError {
        switch change.scope {
        case .thing, .everything: .unknownKey
        case .channel: .unknownChannel
        case .connection:
            ServiceError(
                .forbidden, reason: "disconnected-from-channel", "The thing is no longer connected to this channel.")
        }
    }
}
