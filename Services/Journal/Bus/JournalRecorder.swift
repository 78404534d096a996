// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import Observability
import Postgres
import ServiceKit

/// Writes down what one stream brings, through a durable consumer: acknowledged once it is committed, so that nothing is missing and, by the notices'
/// identifiers, nothing is there twice.
struct JournalRecorder: Service, CustomStringConvertible {
    /// Entries of a transaction, at most.
    private static let batchSize = 256

    let bus: any Bus
    let stream: String
    let store: any JournalStore
    let metrics: RecorderMetrics
    let logger: Logger

    var description: String { "recorder of \(stream)" }

    func run() async throws {
        await cancelWhenGracefulShutdown { await record() }
    }

    private func record() async {
        var backOff = BackOff()
        while !Task.isCancelled {
            let begin = ContinuousClock.now
            do {
                let consumer = try await bus.consume(stream: stream, Self.configuration)
                do {
                    for try await batch in consumer.batches { try await take(batch, from: consumer) }
                } catch {
                    await consumer.cancel()
                    throw error
                }
                await consumer.cancel()
            } catch {
                guard !Task.isCancelled else { return }
                logger.warning(
                    "reading ended; beginning again", metadata: ["stream": "\(stream)", LogKey.error: "\(error)"])
            }
            if ContinuousClock.now - begin > .seconds(60) { backOff.reset() }
            try? await Task.sleep(for: backOff.next())
        }
    }

    /// No limit of deliveries: what cannot be written is given up by name. A long wait, for a database that is away.
    private static let configuration = ConsumerConfiguration(
        name: Streams.journalConsumer, maximumUnacknowledgedMessages: 4_096, maximumUnacknowledgedBytes: 4 << 20,
        acknowledgeWaitMilliseconds: 300_000, maximumDeliveries: 0)

    private func take(_ messages: [StreamMessage], from consumer: any BusConsumer) async throws {
        var start = messages.startIndex
        while start < messages.endIndex {
            let end = min(start + Self.batchSize, messages.endIndex)
            try await write(messages[start..<end], from: consumer)
            start = end
        }
    }

    /// Until it is written: the bus holds what comes meanwhile.
    private func write(_ messages: ArraySlice<StreamMessage>, from consumer: any BusConsumer) async throws {
        guard let last = messages.last else { return }
        var readable: [(sequence: UInt64, entry: JournalEntry)] = []
        for message in messages {
            do {
                readable.append((message.sequence, try Self.entry(message)))
            } catch {
                giveUp(message.sequence, from: consumer, "it is no notice: \(error)")
            }
        }
        var backOff = BackOff()
        while true {
            try Task.checkCancellation()
            do {
                let added = try await store.append(readable.map(\.entry))
                metrics.recorded(added, of: readable.count, lastAt: readable.last?.entry.at)
                return consumer.acknowledge(through: last.sequence)
            } catch let error as PostgresError where error.isDataError {
                try await writeOneByOne(readable, from: consumer)
                return consumer.acknowledge(through: last.sequence)
            } catch {
                metrics.failures.increment()
                logger.warning("the journal could not be written; trying again", metadata: [LogKey.error: "\(error)"])
                try await Task.sleep(for: backOff.next())
            }
        }
    }

    /// One entry that the database cannot hold does not take its neighbours with it.
    private func writeOneByOne(
        _ entries: [(sequence: UInt64, entry: JournalEntry)], from consumer: any BusConsumer
    ) async throws {
        for (sequence, entry) in entries {
            do {
                metrics.recorded(try await store.append([entry]), of: 1, lastAt: entry.at)
            } catch let error as PostgresError where error.isDataError {
                giveUp(sequence, from: consumer, "the database cannot hold it: \(error.message)")
            }
        }
    }

    private func giveUp(_ sequence: UInt64, from consumer: any BusConsumer, _ reason: String) {
        metrics.unreadable.increment()
        logger.error(
            "a notice could not be recorded",
            metadata: ["stream": "\(stream)", "sequence": "\(sequence)", LogKey.reason: "\(reason)"])
        consumer.giveUp(sequence, reason: String(reason.prefix(200)))
    }

    private static func entry(_ message: StreamMessage) throws -> JournalEntry {
        let data = Data(message.payload.readableBytesView)
        let text = String(decoding: data, as: UTF8.self)
        return message.subject.hasPrefix("refusals.")
            ? JournalEntry(try JSONDecoder().decode(RefusedRequest.self, from: data), detail: text)
            : JournalEntry(try JSONDecoder().decode(EntityEvent.self, from: data), detail: text)
    }
}
