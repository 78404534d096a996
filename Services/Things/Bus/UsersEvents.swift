// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Identity
import Logging
import Messaging
import NIOCore
import Observability
import ServiceKit

/// Follows what `users` announces and must not be missed here: who leaves a domain loses the roles that were given there, who is removed those of all
/// domains, and the things of a domain that is disabled or frozen may do nothing until it is enabled.
///
/// Read through a durable consumer, in order, one after the other; each event is acknowledged when what follows from it is committed, and tried for ever
/// while the database is away. So none is lost with this service down or killed, and one may come twice: an event takes only what was given until the
/// time that it carries, so whoever came back keeps what was given since.
///
/// One that the database refuses does not hold up those behind it: for good, it goes to the dead letters; for a reason that may pass, it comes again,
/// later each time and ``maximumDeliveries`` times at most. The others may go ahead of it, because of two events the later one counts, whichever
/// comes first.
///
/// Only a membership that ends and a user who is removed take roles. A custom role or a group of users that ends leaves its people members, users who
/// are disabled act nowhere and come back as they were, and domains are never deleted. What is known of domains is kept in the database, so it is the
/// same after any restart and with `users` away.
struct UsersEvents: Service, CustomStringConvertible {
    /// Events are small and rare: a window to be handled within the bus's patience, also when the database is slow.
    private static let window = 256
    /// One that fails comes again after 1, 2, 4, … and at most 60 seconds: ten deliveries take four minutes.
    static let maximumDeliveries: UInt32 = 10

    let description = "events of users"
    private let bus: any Bus
    private let store: any AccessStore & DomainStatesStore
    private let clock: WallClock
    private let logger: Logger
    private let handled: Counter
    private let failures: Counter
    private let givenUp: Counter

    init(
        bus: any Bus, store: any AccessStore & DomainStatesStore, clock: WallClock, metrics: MetricsRegistry,
        logger: Logger
    ) {
        self.bus = bus
        self.store = store
        self.clock = clock
        self.logger = logger
        handled = metrics.counter(
            "martlet_things_users_events_total", help: "Events of users whose consequences are committed.")
        failures = metrics.counter(
            "martlet_things_users_event_failures_total", help: "Events of users that had to be tried again.")
        givenUp = metrics.counter(
            "martlet_things_users_events_given_up_total",
            help: "Events of users that cannot be followed: they are dead letters.")
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { await follow() }
    }

    private func follow() async {
        let consumer = StreamConsumer(
            bus: bus, stream: Streams.events,
            ConsumerConfiguration(
                name: Streams.thingsConsumer, filter: Subjects.usersEvents, maximumUnacknowledgedMessages: Self.window,
                acknowledgeWaitMilliseconds: 300_000),
            logger: logger)
        await consumer.forEachBatch { batch, consumer in
            for message in batch { try await handle(message, from: consumer) }
        }
    }

    private enum Consequence {
        case departure(of: UserID, from: DomainID)
        /// A removed user's roles anywhere, also where the user was no member.
        case removal(of: UserID)
        case domain(DomainID, isEnabled: Bool)
    }

    /// Returns when the message is done with, or comes again later.
    ///
    /// Each is acknowledged by itself: an acknowledgement of all up to one would also be that of an earlier one which is to come again, or has been given up
    /// and is not among the dead letters yet.
    /// - Throws: `CancellationError`.
    private func handle(_ message: StreamMessage, from consumer: any BusConsumer) async throws {
        let event = try? JSONDecoder().decode(EntityEvent.self, from: Data(message.payload.readableBytesView))
        let consequence: Consequence?
        switch message.subject {
        case "events.users.membership.removed":
            consequence = event?.user.flatMap { user in event?.domain.map { .departure(of: user, from: $0) } }
        case "events.users.user.removed": consequence = event?.user.map(Consequence.removal)
        case "events.users.domain.enabled": consequence = event?.domain.map { .domain($0, isEnabled: true) }
        case "events.users.domain.disabled", "events.users.domain.frozen":
            consequence = event?.domain.map { .domain($0, isEnabled: false) }
        default: return consumer.acknowledge(message.sequence)
        }
        // Who did it there has done what follows here.
        guard let event, let who = event.actor ?? event.user, let consequence else {
            return giveUp(message, from: consumer, "not an event of a user, membership or domain")
        }
        let failure = try await whileUnavailable { () async throws(ServiceError) in
            func events(in domain: DomainID) -> ChangeEvents {
                ChangeEvents(actor: Actor(user: who, domain: domain, role: .none), at: clock.now())
            }
            switch consequence {
            case .departure(let user, let domain):
                try await store.removeGrants(of: user, givenUntil: event.at, events(in: domain))
            case .removal(let user):
                for domain in try await store.domains(withGrantsOf: user) {
                    try await store.removeGrants(of: user, givenUntil: .max, events(in: domain))
                }
            case .domain(let domain, let isEnabled):
                let place = StreamPlace(stream: consumer.stream.id, sequence: message.sequence)
                try await store.setDomain(enabled: isEnabled, at: place, events(in: domain))
            }
        }
        guard let failure else {
            handled.increment()
            return consumer.acknowledge(message.sequence)
        }
        guard failure.kind != .unprocessable, message.deliveryCount < Self.maximumDeliveries else {
            return giveUp(message, from: consumer, "it cannot be followed: \(failure.reason)", failure.detail)
        }
        failures.increment()
        logger.warning(
            "an event of users is tried again later",
            metadata: [LogKey.sequence: "\(message.sequence)", LogKey.error: "\(failure)"])
        consumer.reject(message.sequence, redeliverAfter: Self.delay(behind: message.deliveryCount))
    }

    static func delay(behind deliveries: UInt32) -> Duration { .seconds(min(60, 1 << min(Int(deliveries) - 1, 6))) }

    private func giveUp(
        _ message: StreamMessage, from consumer: any BusConsumer, _ reason: String, _ detail: String? = nil
    ) {
        givenUp.increment()
        logger.error(
            "an event of users is given up",
            metadata: [
                LogKey.sequence: "\(message.sequence)", LogKey.reason: "\(reason)", LogKey.detail: "\(detail ?? "")",
            ])
        consumer.giveUp(message.sequence, reason: reason)
    }

    /// Runs `body` until the database is there.
    /// - Returns: what it failed with otherwise, if it did.
    /// - Throws: `CancellationError`.
    private func whileUnavailable(_ body: () async throws(ServiceError) -> Void) async throws -> ServiceError? {
        var backOff = BackOff()
        while true {
            do throws(ServiceError) {
                try await body()
                return nil
            } catch {
                try Task.checkCancellation()
                guard error.kind == .unavailable else { return error }
                failures.increment()
                logger.warning("an event of users cannot be followed yet", metadata: [LogKey.error: "\(error)"])
                try await Task.sleep(for: backOff.next())
            }
        }
    }
}
