// SPDX-License-Identifier: Apache-2.0
import Core
import Logging

/// Reads a stream through its durable consumer for as long as a service lives: whatever ends the reading, it is begun again.
///
///     await StreamConsumer(bus: bus, stream: Streams.events, configuration, logger: logger).run { consumer in
///         for try await batch in consumer.batches {
///             try await store(batch)
///             consumer.acknowledge(through: batch.last.sequence)
///         }
///     }
///
/// What was delivered and not acknowledged comes again with the next reading, so nothing is lost as long as what is acknowledged is done. How a batch is
/// handled and acknowledged is the reader's own: in a transaction that holds its position, one by one, or all up to the last.
public struct StreamConsumer: Sendable {
    /// After a reading that lasted so long the pauses are short again: what ended it is not what ended the one before.
    private static let goodReading: Duration = .seconds(60)

    public let bus: any Bus
    public let stream: String
    public let configuration: ConsumerConfiguration
    private let backOff: BackOff
    private let logger: Logger

    /// - Parameter backOff: the pauses between two readings.
    public init(
        bus: any Bus, stream: String, _ configuration: ConsumerConfiguration, backOff: BackOff = BackOff(),
        logger: Logger
    ) {
        self.bus = bus
        self.stream = stream
        self.configuration = configuration
        self.backOff = backOff
        self.logger = logger
    }

    /// Runs until the task is cancelled.
    ///
    /// - Parameter read: reads from a consumer that was just opened, until that ends or something fails: either way it is closed, and after a pause
    ///   another one opened. What it throws is logged, unless the task is cancelled.
    public func run(_ read: (any BusConsumer) async throws -> Void) async {
        var backOff = backOff
        while !Task.isCancelled {
            let begin = ContinuousClock.now
            do {
                let consumer = try await bus.consume(stream: stream, configuration)
                do {
                    try await read(consumer)
                } catch {
                    await consumer.cancel()
                    throw error
                }
                await consumer.cancel()
            } catch {
                guard !Task.isCancelled else { return }
                logger.warning(
                    "reading a stream ended; beginning again",
                    metadata: ["stream": "\(stream)", "consumer": "\(configuration.name)", "error": "\(error)"])
            }
            if ContinuousClock.now - begin > Self.goodReading { backOff.reset() }
            try? await Task.sleep(for: backOff.next())
        }
    }

    /// As ``run(_:)``, with each batch in turn: all that came since the last one was handled.
    public func forEachBatch(_ handle: ([StreamMessage], any BusConsumer) async throws -> Void) async {
        await run { consumer in
            for try await batch in consumer.batches { try await handle(batch, consumer) }
        }
    }
}
