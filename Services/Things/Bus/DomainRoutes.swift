// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import Observability
import ServiceKit
import Synchronization

/// Which domain has a route: asked of `users` over the bus, and remembered until `users` announces any change of a domain.
///
/// A route can go to another domain, so adapters have to forget what they decided by it, and after this memory has: they would only ask again and be told
/// the same. So whatever empties this memory is announced as `events.things.domain.updated` behind it, by each instance for itself: with the last of them
/// no old answer is left. The same at the start and at every reconnect, when changes may have been missed.
final class DomainRoutes: Service, CustomStringConvertible {
    /// Routes in use at a time. When there are more, all are forgotten and asked for anew, as they are after each change of a domain.
    private static let maximumRoutes = 10_000
    private static let patience: Duration = .seconds(2)

    private struct State {
        var known: [String: DomainID?] = [:]
        /// Counts what emptied the memory: an answer to a question from before is not remembered.
        var epoch: UInt64 = 0
        /// Without events nothing is remembered.
        var isListening = false
    }

    let description = "domain routes"
    private let bus: any Bus
    private let clock: WallClock
    private let logger: Logger
    private let state = Mutex(State())

    init(bus: any Bus, clock: WallClock, logger: Logger) {
        self.bus = bus
        self.clock = clock
        self.logger = logger
    }

    func register(in metrics: MetricsRegistry) {
        metrics.observe(
            "martlet_things_domain_routes", help: "Routes of domains that are remembered; at most 10,000.", type: .gauge
        ) { [self] in Double(state.withLock { $0.known.count }) }
    }

    /// - Returns: nil when no domain has this route.
    /// - Throws: `unavailable` when `users` cannot be asked.
    func domain(route: String) async throws(ServiceError) -> DomainID? {
        let (known, epoch): (DomainID??, UInt64) = state.withLock { ($0.known[route], $0.epoch) }
        if let known { return known }
        let answer: DomainLookupResponse
        do throws(ServiceError) {
            answer = try await bus.call(
                Subjects.lookUpDomain, DomainLookupRequest(route: route), returning: DomainLookupResponse.self,
                timeout: Self.patience)
        } catch {
            throw ServiceError(
                .unavailable, reason: "domain-route-unavailable",
                "the domain's route cannot be looked up now; try again",
                detail: "\(error)", retryAfterSeconds: 2)
        }
        state.withLock { state in
            guard state.isListening, state.epoch == epoch else { return }
            if state.known.count >= Self.maximumRoutes { state.known.removeAll(keepingCapacity: true) }
            state.known[route] = .some(answer.domain)
        }
        return answer.domain
    }

    /// Hears changes until the service ends.
    func run() async throws {
        let connections = bus.connectionEvents()
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.listen() }
                group.addTask {
                    for await event in connections where event == .connected { await self.forget(isListening: nil) }
                }
            }
        }
    }

    private func listen() async {
        var backOff = BackOff()
        while !Task.isCancelled {
            do {
                let subscription = try await bus.subscribe(Subjects.usersEvents, queueGroup: nil)
                await forget(isListening: true)
                backOff.reset()
                for try await batch in subscription.batches {
                    if batch.contains(where: Self.concernsDomains) { await forget(isListening: nil) }
                }
                return
            } catch {
                logger.warning("changes of domains are not heard", metadata: [LogKey.error: "\(error)"])
            }
            await forget(isListening: false)
            try? await Task.sleep(for: backOff.next())
        }
    }

    /// By the subject, so that no event has to be understood to be heeded.
    private static func concernsDomains(_ message: BusMessage) -> Bool {
        message.subject.hasPrefix("events.users.domain.")
    }

    private func forget(isListening: Bool?) async {
        state.withLock { state in
            state.known = [:]
            state.epoch += 1
            if let isListening { state.isListening = isListening }
        }
        let event = EntityEvent(id: .new(), at: clock.now(), service: "things", entity: "domain", what: "updated")
        do {
            let payload = ByteBuffer(bytes: try JSONEncoder().encode(event))
            _ = try await bus.publishDurably(BusMessage(subject: event.subject, payload: payload))
        } catch {
            // Adapters lost the bus with us, and forget by themselves; when it is back this is said again.
            logger.debug("a change of domains could not be announced", metadata: [LogKey.error: "\(error)"])
        }
    }
}
