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

/// Follows what `users` announces and must not be missed here: who leaves a domain loses the roles that were given there, and the things of a domain that
/// is disabled or frozen may do nothing until it is enabled.
///
/// Read through a durable consumer, in order, one after the other; each event is acknowledged when what follows from it is committed, and until
/// then tried for ever. So none is lost with this service down or killed, and one may come twice: an event takes only what was given until the time
/// that it carries, so whoever came back keeps what was given since.
///
/// Only a membership that ends takes roles. A custom role or a group of users that ends leaves its people members, and neither users nor domains are
/// ever deleted: disabled ones act nowhere and come back as they were. What is known of domains is kept in the database, so it is the same after any
/// restart and with `users` away.
struct UsersEvents: Service, CustomStringConvertible {
    /// Events are small and rare: a window to be handled within the bus's patience, also when the database is slow.
    private static let window = 256

    let description = "events of users"
    private let bus: any Bus
    private let store: any AccessStore & DomainStatesStore
    private let clock: WallClock
    private let logger: Logger
    private let handled: Counter
    private let failures: Counter

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
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { await follow() }
    }

    private func follow() async {
        var backOff = BackOff()
        while !Task.isCancelled {
            let begin = ContinuousClock.now
            do {
                let consumer = try await bus.consume(
                    stream: Streams.events,
                    ConsumerConfiguration(
                        name: Streams.thingsConsumer, filter: Subjects.usersEvents,
                        maximumUnacknowledgedMessages: Self.window, acknowledgeWaitMilliseconds: 300_000))
                do {
                    for try await batch in consumer.batches {
                        for message in batch { try await handle(message, from: consumer) }
                    }
                } catch {
                    await consumer.cancel()
                    throw error
                }
                await consumer.cancel()
            } catch {
                guard !Task.isCancelled else { return }
                logger.warning("events of users are not heard; beginning again", metadata: [LogKey.error: "\(error)"])
            }
            if ContinuousClock.now - begin > .seconds(60) { backOff.reset() }
            try? await Task.sleep(for: backOff.next())
        }
    }

    private enum Consequence {
        case departure(of: UserID)
        case domain(isEnabled: Bool)
    }

    /// Returns when the message is done with.
    /// - Throws: `CancellationError`.
    private func handle(_ message: StreamMessage, from consumer: any BusConsumer) async throws {
        let event = try? JSONDecoder().decode(EntityEvent.self, from: Data(message.payload.readableBytesView))
        let consequence: Consequence?
        switch message.subject {
        case "events.users.membership.removed": consequence = event?.user.map(Consequence.departure)
        case "events.users.domain.enabled": consequence = .domain(isEnabled: true)
        case "events.users.domain.disabled", "events.users.domain.frozen": consequence = .domain(isEnabled: false)
        default: return consumer.acknowledge(through: message.sequence)
        }
        // Who did it there has done what follows here.
        guard let event, let domain = event.domain, let who = event.actor ?? event.user, let consequence else {
            logger.error("an event of users cannot be read", metadata: ["sequence": "\(message.sequence)"])
            return consumer.giveUp(message.sequence, reason: "not an event of a membership or domain")
        }
        let actor = Actor(user: who, domain: domain, role: .none)
        try await untilDone { () async throws(ServiceError) in
            let events = ChangeEvents(actor: actor, at: clock.now())
            switch consequence {
            case .departure(let user):
                try await store.removeGrants(of: user, givenUntil: event.at, events)
            case .domain(let isEnabled):
                try await store.setDomain(
                    enabled: isEnabled, at: StreamPlace(stream: consumer.stream.id, sequence: message.sequence), events)
            }
        }
        handled.increment()
        consumer.acknowledge(through: message.sequence)
    }

    /// - Throws: `CancellationError`.
    private func untilDone(_ body: () async throws(ServiceError) -> Void) async throws {
        var backOff = BackOff()
        while true {
            do throws(ServiceError) {
                return try await body()
            } catch {
                try Task.checkCancellation()
                failures.increment()
                logger.warning("an event of users cannot be followed yet", metadata: [LogKey.error: "\(error)"])
                try await Task.sleep(for: backOff.next())
            }
        }
    }
}
