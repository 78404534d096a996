// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging

/// Why a stream cannot be declared.
struct StreamProblem: Error, CustomStringConvertible {
    let description: String
}

extension Broker {
    private var streamsDirectory: String { configuration.dataDirectory + "/streams" }

    func stream(named name: String) -> Stream? { streams.first { $0.configuration.name == name } }

    /// Opens what was declared earlier and declares the daemon's own streams.
    func openStreams() throws {
        let files = PosixFileSystem()
        try files.createDirectory(streamsDirectory)
        for name in try files.list(streamsDirectory).sorted() where name.hasSuffix(".json") {
            let bytes = try files.contents(streamsDirectory + "/" + name, limit: 1 << 20)
            guard let stored = try? JSONDecoder().decode(StreamConfiguration.self, from: Data(bytes)) else {
                throw StreamProblem(description: "\(streamsDirectory)/\(name) is not a stream's configuration")
            }
            if !Self.ownStreams.contains(stored.name) { try declare(stored) }
        }
        let own = [
            (Streams.messages, Subjects.allMessages, configuration.messagesMaximumBytes),
            (Streams.events, Subjects.allEvents, configuration.eventsMaximumBytes),
            (Streams.refusals, Subjects.allRefusals, configuration.refusalsMaximumBytes),
            (Streams.deadLetters, "dead.>", configuration.deadLettersMaximumBytes),
        ]
        for (name, subjects, bytes) in own {
            // Whether anybody keeps a journal of them is the installation's choice.
            let isOptional = name == Streams.events || name == Streams.refusals
            try declare(
                StreamConfiguration(
                    name: name, subjects: [subjects], retention: isOptional ? .limits : .interest,
                    maximumBytes: bytes, segmentBytes: min(configuration.segmentBytes, max(bytes / 4, 1 << 20))))
        }
    }

    private static let ownStreams = [
        Streams.messages, Streams.events, Streams.refusals, Streams.deadLetters,
    ]

    /// Creates a stream or changes one. Opens files: only at start and for an operator's command, during which the loop waits.
    @discardableResult
    func declare(_ wanted: StreamConfiguration) throws -> Stream {
        if let problem = Stream.problem(wanted) { throw StreamProblem(description: problem) }
        for other in streams where other.configuration.name != wanted.name {
            for filter in wanted.subjects {
                for taken in other.configuration.subjects where SubjectFilter.overlaps(filter, taken) {
                    throw StreamProblem(
                        description: "'\(filter)' overlaps '\(taken)' of stream '\(other.configuration.name)'")
                }
            }
        }
        if let existing = stream(named: wanted.name) {
            guard existing.configuration != wanted else { return existing }
            return try change(existing, wanted)
        }
        guard streams.count < Stream.maximumStreams else {
            throw StreamProblem(description: "at most \(Stream.maximumStreams) streams are possible")
        }
        let stream = try open(wanted)
        try remember(wanted)
        streams.append(stream)
        recapture()
        return stream
    }

    private func open(_ wanted: StreamConfiguration) throws -> Stream {
        let directory = streamsDirectory + "/" + wanted.name
        let log = try StreamLog(
            directory: directory, configuration: logConfiguration(wanted), clock: clock)
        report(log.recovery, wanted.name)
        let store = try ConsumerStore(directory: directory, stream: log.id)
        if let furthest = store.recovered.map(\.acknowledged.floor).max() { log.skip(through: furthest) }
        var duplicates = DuplicateIndex(
            windowSeconds: wanted.duplicateWindowSeconds, maximumEntries: wanted.maximumDuplicateEntries)
        duplicates.rebuild(from: log, now: clock.now())
        let index = Int32(streams.count)
        let stream = Stream(
            index: index, configuration: wanted, log: log,
            worker: try StreamWorker(stream: index, log: log, store: store, mailbox: mailbox),
            duplicates: duplicates, isExpendableWithoutConsumers: wanted.name == Streams.events)
        for record in store.recovered {
            stream.consumers[record.configuration.name] = Consumer(stream: stream, record: record)
        }
        if store.damagedSlots > 0 {
            logger.error("positions of consumers were damaged", metadata: ["stream": "\(wanted.name)"])
        }
        logger.info(
            "stream opened",
            metadata: [
                "stream": "\(wanted.name)", "sequence": "\(log.lastSequence)", "bytes": "\(log.byteCount)",
            ])
        return stream
    }

    private func logConfiguration(_ wanted: StreamConfiguration) -> LogConfiguration {
        var log = LogConfiguration(wanted)
        log.memoryBytes = max(log.memoryBytes, configuration.tailCacheBytes)
        return log
    }

    private func change(_ stream: Stream, _ wanted: StreamConfiguration) throws -> Stream {
        let current = stream.configuration
        let isSameDuplicates =
            current.duplicateWindowSeconds == wanted.duplicateWindowSeconds
            && current.maximumDuplicateEntries == wanted.maximumDuplicateEntries
        try remember(wanted)
        stream.configuration = wanted
        // A segment's size is settled when the log is opened: a new one counts from the next start on.
        stream.log.limits = LogLimits(logConfiguration(wanted))
        if !isSameDuplicates {
            stream.duplicates = DuplicateIndex(
                windowSeconds: wanted.duplicateWindowSeconds, maximumEntries: wanted.maximumDuplicateEntries)
        }
        recapture()
        return stream
    }

    private func remember(_ configuration: StreamConfiguration) throws {
        let files = PosixFileSystem()
        try files.replace("\(streamsDirectory)/\(configuration.name).json", with: Array(json(configuration)))
        try files.synchronizeDirectory(streamsDirectory)
    }

    private func recapture() {
        router.policy.captures = streams.flatMap { stream in
            stream.configuration.subjects.map { ($0, stream.index) }
        }
        router.invalidateAll()
    }

    private func report(_ recovery: RecoveryReport, _ stream: String) {
        guard !recovery.isClean else { return }
        logger.warning(
            "log recovered",
            metadata: [
                "stream": "\(stream)", "torn_bytes": "\(recovery.tornTail?.bytes ?? 0)",
                "sequence": "\(recovery.tornTail?.firstSequence ?? 0)",
                "lost": "\(recovery.lost.prefix(16).map { "\($0.lowerBound)-\($0.upperBound)" })",
                "set_aside": "\(recovery.setAside.prefix(16))", "begun_anew": "\(recovery.isBegunAnew)",
            ])
    }
}
