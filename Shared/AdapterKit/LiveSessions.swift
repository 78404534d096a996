// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Synchronization

/// The long-lived connections whose right must end when it is taken back; the adapters bound their number by bounding connections.
final class LiveSessions: Sendable {
    struct Session: Sendable {
        /// By what the thing showed who it is; nil: the session does not end with it.
        let proof: IdentityQuestion?
        let thing: ThingID
        /// nil: the connection as such (MQTT's CONNECT), which ends with the thing or what it showed only.
        let channel: (id: ChannelID, reference: ChannelAddress, right: AccessRight)?
        let onEnd: @Sendable (ServiceError) -> Void
    }

    private struct State: Sendable {
        var next: UInt64 = 1
        var sessions: [UInt64: Session] = [:]
        var byThing: [ThingID: Set<UInt64>] = [:]
        var byChannel: [ChannelID: Set<UInt64>] = [:]
        /// To be asked about.
        var due: Set<UInt64> = []
    }

    private let state = Mutex(State())
    private let wake: AsyncStream<Void>.Continuation
    /// One element, at most, while something is due.
    let wakes: AsyncStream<Void>

    init() {
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var count: Int { state.withLock { $0.sessions.count } }

    func insert(_ session: Session) -> UInt64 {
        state.withLock { state in
            let number = state.next
            state.next += 1
            state.sessions[number] = session
            state.byThing[session.thing, default: []].insert(number)
            if let channel = session.channel?.id { state.byChannel[channel, default: []].insert(number) }
            return number
        }
    }

    func remove(_ number: UInt64) {
        state.withLock { _ = Self.remove(number, from: &$0) }
    }

    /// Ends the sessions that a change certainly ends, and marks those that it may end.
    func apply(_ change: RightsChange) {
        let ended = state.withLock { state in
            let touched = Self.touched(by: change.scope, in: state)
            guard change.endsSessions else {
                state.due.formUnion(touched)
                return [Session]()
            }
            return touched.compactMap { Self.remove($0, from: &state) }
        }
        for session in ended { session.onEnd(Self.ended(by: change)) }
        wake.yield()
    }

    func markDue(_ number: UInt64) {
        state.withLock { if $0.sessions[number] != nil { _ = $0.due.insert(number) } }
        wake.yield()
    }

    /// Takes up to `limit` of the sessions that are due.
    func takeDue(limit: Int) -> [(number: UInt64, session: Session)] {
        state.withLock { state in
            let numbers = state.due.prefix(limit)
            state.due.subtract(numbers)
            return numbers.compactMap { number in state.sessions[number].map { (number, $0) } }
        }
    }

    func end(_ number: UInt64, because error: ServiceError) {
        let session = state.withLock { Self.remove(number, from: &$0) }
        session?.onEnd(error)
    }

    private static func touched(by scope: RightsChange.Scope, in state: State) -> Set<UInt64> {
        switch scope {
        case .everything: Set(state.sessions.keys)
        case .thing(let thing): state.byThing[thing] ?? []
        case .channel(let channel): state.byChannel[channel] ?? []
        case .connection(let thing, let channel):
            (state.byThing[thing] ?? []).intersection(state.byChannel[channel] ?? [])
        }
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

    private static func remove(_ number: UInt64, from state: inout State) -> Session? {
        guard let session = state.sessions.removeValue(forKey: number) else { return nil }
        state.due.remove(number)
        state.byThing[session.thing]?.remove(number)
        if state.byThing[session.thing]?.isEmpty == true { state.byThing[session.thing] = nil }
        if let channel = session.channel?.id {
            state.byChannel[channel]?.remove(number)
            if state.byChannel[channel]?.isEmpty == true { state.byChannel[channel] = nil }
        }
        return session
    }
}

/// A registered session; ``cancel()`` when the connection ends by itself.
public struct LiveSession: Sendable {
    let number: UInt64
    let sessions: LiveSessions

    /// Forgets the session: its callback is not called any more (one that is under way may still arrive).
    public func cancel() { sessions.remove(number) }
}
