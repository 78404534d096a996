// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import Observability
import Postgres

/// Reads the stream of messages through its durable consumer and stores every message exactly once.
struct Writer: Sendable {
    let bus: any Bus
    let pool: PostgresPool
    let configuration: WriterConfiguration
    let metrics: WriterMetrics
    let clock: WallClock
    let logger: Logger
    private let partitions: Partitions

    init(
        bus: any Bus, pool: PostgresPool, configuration: WriterConfiguration, metrics: WriterMetrics,
        clock: WallClock = .system, logger: Logger
    ) {
        self.bus = bus
        self.pool = pool
        self.configuration = configuration
        self.metrics = metrics
        self.clock = clock
        self.logger = logger
        partitions = Partitions(pool: pool, pastDays: configuration.partitionPastDays, clock: clock, logger: logger)
    }

    /// Works until the task is cancelled. The schema must be there.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await consume() }
            group.addTask { await maintain() }
            group.addTask { await watchLag() }
            group.addTask { await watchMemory() }
        }
    }

    // MARK: Storing

    private func consume() async {
        let consumer = StreamConsumer(bus: bus, stream: Streams.messages, consumerConfiguration, logger: logger)
        await consumer.run { consumer in
            logger.info("reading messages", metadata: ["stream": "\(consumer.stream.id)"])
            try await pipeline(consumer).run()
        }
    }

    private func pipeline(_ consumer: any BusConsumer) -> WriterPipeline {
        let store = MessageStore(pool: pool, clock: clock)
        return WriterPipeline(
            consumer: consumer,
            committer: BatchCommitter(
                store: store, partitions: partitions, stream: consumer.stream.id, logger: logger, metrics: metrics),
            gaps: GapFiller(bus: bus, stream: Streams.messages, logger: logger, metrics: metrics),
            limits: configuration.limits, metrics: metrics)
    }

    /// No limit of deliveries: what cannot be stored is this service's own dead letter. A long wait, because a database that is away for hours
    /// must not make the bus deliver the same window over and over.
    private var consumerConfiguration: ConsumerConfiguration {
        ConsumerConfiguration(
            name: Streams.writerConsumer, maximumUnacknowledgedMessages: configuration.windowMessages,
            maximumUnacknowledgedBytes: configuration.windowBytes, acknowledgeWaitMilliseconds: 300_000,
            maximumDeliveries: 0)
    }

    // MARK: Housekeeping

    private func maintain() async {
        let retention = Retention(pool: pool, days: configuration.retentionDays, clock: clock, logger: logger)
        while !Task.isCancelled {
            do {
                try await partitions.prepareNextDays()
                if let plan = try await retention.plan() {
                    if configuration.retentionIsDryRun {
                        for partition in plan.partitions {
                            logger.info(
                                "retention would drop a partition",
                                metadata: ["partition": "\(partition.name)", "bytes": "\(partition.bytes)"])
                        }
                    } else {
                        try await retention.apply(plan)
                    }
                }
            } catch {
                logger.warning("maintenance failed; trying again later", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: configuration.maintenanceInterval)
        }
    }

    private func watchMemory() async {
        var batches = metrics.batches.value
        while !Task.isCancelled {
            try? await Task.sleep(for: configuration.lagInterval)
            guard metrics.batches.value != batches, metrics.waiting() == 0 else { continue }
            batches = metrics.batches.value
            SpareMemory.giveBack()
        }
    }

    private func watchLag() async {
        while !Task.isCancelled {
            if let state = try? await bus.streamState(Streams.messages) {
                metrics.streamEnds(at: state.lastSequence)
            }
            try? await Task.sleep(for: configuration.lagInterval)
        }
    }
}
