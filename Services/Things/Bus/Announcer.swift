// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Messaging
import NIOCore
import Observability
import Postgres
import ServiceKit
import Synchronization

/// The events of one change, as far as waiting for them goes: known when the last one of the transaction was appended.
final class Announcement: Sendable {
    private let event = Mutex<EventID?>(nil)

    var last: EventID? {
        get { event.withLock { $0 } }
        set { event.withLock { $0 = newValue } }
    }
}

/// Publishes what the outbox holds, and lets a request wait until its events are out, so that "answered" is "announced".
final class Announcer: Service, CustomStringConvertible {
    private enum Waiter {
        /// Appended, maybe not committed, nobody waits yet.
        case expected
        case published
        case waiting(CheckedContinuation<Void, Never>)
    }

    /// With the bus away the change stands all the same, and is announced when it is back.
    private static let patience: Duration = .milliseconds(500)

    let description = "outbox relay"
    private let outbox: Outbox
    private let bus: any Bus
    private let waiters = Mutex<[EventID: Waiter]>([:])

    init(outbox: Outbox, bus: any Bus) {
        self.outbox = outbox
        self.bus = bus
    }

    func register(in metrics: MetricsRegistry) {
        metrics.observe(
            "martlet_outbox_published_total", help: "Events published from the outbox.", type: .counter
        ) { [outbox] in Double(outbox.statistics.published) }
        metrics.observe(
            "martlet_outbox_failures_total", help: "Batches of events that had to be tried again.", type: .counter
        ) { [outbox] in Double(outbox.statistics.failures) }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await self.outbox.run { try await self.publish($0) }
        }
    }

    /// Writes the events into the open transaction; `announcement` then stands for the last of them.
    func append(
        _ events: [EntityEvent], as announcement: Announcement, on connection: PostgresConnection
    ) async throws {
        forget(announcement)
        for event in events {
            try await outbox.append(
                subject: event.subject, payload: ByteBuffer(bytes: try JSONEncoder().encode(event)), on: connection)
        }
        guard let last = events.last?.id else { return }
        announcement.last = last
        waiters.withLock { $0[last] = .expected }
    }

    /// Waits after the commit until the last event is durable on the bus, half a second at most.
    func wait(for announcement: Announcement) async {
        guard let last = announcement.last else { return }
        outbox.wake()
        // One per change that a person makes; ends with the wait.
        let alarm = Task {
            try? await Task.sleep(for: Self.patience)
            self.resolve(last)
        }
        await withCheckedContinuation { continuation in
            let isOut = waiters.withLock { waiters in
                guard case .expected? = waiters[last] else { return true }
                waiters[last] = .waiting(continuation)
                return false
            }
            if isOut { continuation.resume() }
        }
        alarm.cancel()
    }

    /// Nobody waits for it any more, or the transaction was not committed.
    func forget(_ announcement: Announcement) {
        guard let last = announcement.last else { return }
        waiters.withLock { $0[last] = nil }
        announcement.last = nil
    }

    private func resolve(_ event: EventID) {
        let continuation: CheckedContinuation<Void, Never>? = waiters.withLock { waiters in
            guard let waiter = waiters[event] else { return nil }
            waiters[event] = .published
            guard case .waiting(let continuation) = waiter else { return nil }
            return continuation
        }
        continuation?.resume()
    }

    /// All are handed over in order before the first answer comes: one sync for all of them.
    private func publish(_ entries: [Outbox.Entry]) async throws {
        let failure: BusError? = await withCheckedContinuation { continuation in
            let answers = Answers(expected: entries.count) { continuation.resume(returning: $0) }
            for entry in entries {
                bus.publishDurably(BusMessage(subject: entry.subject, payload: entry.payload)) { answers.add($0) }
            }
        }
        if let failure { throw failure }
        for entry in entries {
            let event = try? JSONDecoder().decode(EntityEvent.self, from: Data(entry.payload.readableBytesView))
            if let event { resolve(event.id) }
        }
    }
}

/// Counts the answers to a batch and keeps its first failure.
private final class Answers: Sendable {
    private let state: Mutex<(missing: Int, failure: BusError?)>
    private let done: @Sendable (BusError?) -> Void

    init(expected: Int, done: @escaping @Sendable (BusError?) -> Void) {
        state = Mutex((expected, nil))
        self.done = done
        if expected == 0 { done(nil) }
    }

    func add(_ result: Result<PublishReceipt, BusError>) {
        let outcome: (isLast: Bool, failure: BusError?) = state.withLock { state in
            state.missing -= 1
            if case .failure(let error) = result { state.failure = state.failure ?? error }
            return (state.missing == 0, state.failure)
        }
        if outcome.isLast { done(outcome.failure) }
    }
}
