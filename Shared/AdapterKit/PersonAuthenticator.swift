// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Identity
import Logging
import Messaging
import NIOCore
import Synchronization

/// Lets people listen to a channel live, and ends what was taken back.
///
/// Who may listen is who may read: ``ThingsClient/channel(_:readableBy:)``. ``run()`` must be running: it hears of revoked sessions and keys, of
/// disabled users, of changed channels, roles and groups, and ends the streams that they touch at once, and judges the streams anew whose rights may have changed. A token that expires ends its stream within ``recheckInterval``.
public final class PersonAuthenticator: Sendable {
    /// How often every stream is judged anew: tokens expire, and an event may have been missed.
    static let recheckInterval: Duration = .seconds(30)
    /// Behind a reconnect to the bus, so that the verifier has fetched what was revoked meanwhile.
    static let settlingTime: Duration = .seconds(1)
    /// Behind a change of rights, so that the verifier, which hears of it by itself, has forgotten what it knew.
    static let forgettingTime: Duration = .milliseconds(200)
    private static let recheckedAtOnce = 16

    let sessions = PersonSessions()
    private let bus: any Bus
    private let things: ThingsClient
    private let verifier: any AccessTokenVerifier
    private let logger: Logger
    /// Streams that an event has touched, to be judged anew; no more than there are streams.
    private let due = Mutex<Set<UInt64>>([])
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    public init(bus: any Bus, verifier: any AccessTokenVerifier, logger: Logger) {
        self.bus = bus
        self.verifier = verifier
        self.logger = logger
        things = ThingsClient(bus: bus)
        // One wake-up is as good as many.
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Streams that end with their right, for a gauge.
    public var count: Int { sessions.count }

    /// Finds out whether the bearer of `token` may listen to the channel, and watches over it from then on.
    ///
    /// - Parameter onEnd: called once when the right is gone, on any thread; must not block.
    /// - Throws: `unauthenticated`, `forbidden` (`no-domain`, `action-not-granted`), `notFound` (`unknown-channel`), `unavailable`.
    public func open(
        token: String, channel: ChannelAddress, onEnd: @escaping @Sendable (ServiceError) -> Void
    ) async throws(ServiceError) -> PersonSession {
        let (principal, found) = try await judge(token: token, channel: channel)
        let number = sessions.insert(
            PersonSessions.Session(
                token: token, user: principal.user, session: principal.session, domain: found.domain, address: channel,
                channel: found.id, onEnd: onEnd))
        do throws(ServiceError) {
            // Again, now that events find it: what came between was applied to nothing.
            _ = try await judge(token: token, channel: channel)
        } catch {
            sessions.remove(number)
            throw error
        }
        return PersonSession(channel: found.id, domain: found.domain, number: number, sessions: sessions)
    }

    private func judge(
        token: String, channel: ChannelAddress
    ) async throws(ServiceError) -> (Principal, ChannelLookupResponse.Channel) {
        let principal = try await verifier.verify(token)
        return (principal, try await things.channel(channel, readableBy: principal))
    }

    // MARK: What is taken back

    /// Hears of changes until cancelled.
    public func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.hear(Subjects.usersEvents) { self.apply(userEvent: $0) } }
            group.addTask { await self.recheckTouched() }
            group.addTask { await self.hear(Subjects.thingsEvents) { await self.apply(thingsEvent: $0) } }
            group.addTask { await self.recheckNowAndThen() }
            group.addTask {
                for await event in self.bus.connectionEvents() where event == .connected {
                    try? await Task.sleep(for: Self.settlingTime)
                    await self.recheck(self.sessions.all)
                }
            }
        }
    }

    private func hear(_ filter: String, _ apply: (EntityEvent) async -> Void) async {
        var backOff = BackOff()
        while !Task.isCancelled {
            do {
                let subscription = try await bus.subscribe(filter, queueGroup: nil)
                backOff.reset()
                for try await batch in subscription.batches {
                    for message in batch {
                        let payload = Data(message.payload.readableBytesView)
                        guard let event = try? JSONDecoder().decode(EntityEvent.self, from: payload) else {
                            // An event that cannot be read may mean anything.
                            await recheck(sessions.all)
                            continue
                        }
                        await apply(event)
                    }
                }
                await subscription.cancel()
            } catch {
                logger.warning("changes are not heard", metadata: ["subject": "\(filter)", "error": "\(error)"])
            }
            try? await Task.sleep(for: backOff.next())
        }
    }

    private func apply(userEvent event: EntityEvent) {
        sessions.apply(userEvent: event)
        recheckLater(touchedBy: event)
    }

    private func recheckLater(touchedBy event: EntityEvent) {
        let touched = sessions.touched(by: event)
        guard !touched.isEmpty else { return }
        due.withLock { $0.formUnion(touched) }
        wake.yield()
    }

    /// Judges anew whom events have touched; not one by one while they are heard, which would hold up those that end something at once.
    private func recheckTouched() async {
        for await _ in wakes {
            try? await Task.sleep(for: Self.forgettingTime)
            let numbers = due.withLock { due in
                defer { due = [] }
                return due
            }
            await recheck(sessions.all.filter { numbers.contains($0.number) })
        }
    }

    private func apply(thingsEvent event: EntityEvent) async {
        // Roles of people, on channels or groups, and where the groups are.
        if event.entity == "grant" || event.entity == "group" { return recheckLater(touchedBy: event) }
        guard event.entity == "channel", let channel = event.channel else { return }
        if event.what == "disabled" || event.what == "removed" {
            sessions.end(on: channel, because: .unknownChannelForPerson)
        } else {
            await recheck(sessions.on(channel))
        }
    }

    private func recheckNowAndThen() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.recheckInterval)
            await recheck(sessions.all)
        }
    }

    private func recheck(_ due: [(number: UInt64, session: PersonSessions.Session)]) async {
        var rest = due[...]
        while !rest.isEmpty, !Task.isCancelled {
            await withDiscardingTaskGroup { group in
                for (number, session) in rest.prefix(Self.recheckedAtOnce) {
                    group.addTask { await self.recheck(number, session) }
                }
            }
            rest = rest.dropFirst(Self.recheckedAtOnce)
        }
    }

    private func recheck(_ number: UInt64, _ session: PersonSessions.Session) async {
        do throws(ServiceError) {
            let (_, found) = try await judge(token: session.token, channel: session.address)
            guard found.id == session.channel else { throw .unknownChannelForPerson }
        } catch {
            switch error.kind {
            case .unauthenticated, .forbidden, .notFound: sessions.end(number, because: error)
            // Not known at the moment: what is open stays so until the next round.
            case .unavailable, .tooManyRequests, .internalFailure, .malformed, .conflict, .payloadTooLarge,
                .unsupportedMediaType, .unprocessable:
                break
            }
        }
    }
}
