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
        let consumer = StreamConsumer(bus: bus, stream: stream, Self.configuration, logger: logger)
        await cancelWhenGracefulShutdown {
            await consumer.forEachBatch { batch, consumer in try await take(batch, from: consumer) }
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
    ///
    /// Each notice is acknowledged by itself: an acknowledgement of all up to the last would also be that of one which was given up and is not among the
    /// dead letters yet, and it would be lost.
    private func write(_ messages: ArraySlice<StreamMessage>, from consumer: any BusConsumer) async throws {
        var notices: [Notice] = []
        for message in messages {
            do {
                notices.append(Notice(sequence: message.sequence, entry: try Self.entry(message)))
            } catch {
                giveUp(message.sequence, from: consumer, "it is no notice: \(error)")
            }
        }
        guard !notices.isEmpty else { return }
        var backOff = BackOff()
        while true {
            try Task.checkCancellation()
            do {
                return try await append(notices, from: consumer)
            } catch let error as PostgresError where error.isDataError {
                return try await writeOneByOne(notices, from: consumer)
            } catch {
                metrics.failures.increment()
                logger.warning("the journal could not be written; trying again", metadata: [LogKey.error: "\(error)"])
                try await Task.sleep(for: backOff.next())
            }
        }
    }

    private struct Notice {
        let sequence: UInt64
        let entry: JournalEntry
    }

    /// One transaction, and the acknowledgements behind it.
    private func append(_ notices: [Notice], from consumer: any BusConsumer) async throws {
        let added = try await store.append(notices.map(\.entry))
        metrics.recorded(added, of: notices.count, lastAt: notices.last?.entry.at)
        for notice in notices { consumer.acknowledge(notice.sequence) }
    }

    /// One entry that the database cannot hold does not take its neighbours with it.
    private func writeOneByOne(_ notices: [Notice], from consumer: any BusConsumer) async throws {
        for notice in notices {
            do {
                try await append([notice], from: consumer)
            } catch let error as PostgresError where error.isDataError {
                giveUp(notice.sequence, from: consumer, "the database cannot hold it: \(error.message)")
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
