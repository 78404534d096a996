// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import Synchronization

/// One stream as the loop sees it: the log, who waits for its sync, and who reads it.
final class Stream {
    static let maximumStreams = 64
    static let maximumConsumers = 1000
    /// Reads that wait at the end at the same time; a live adapter has one.
    static let maximumWaitingReads = 1024
    /// Seconds after which a refused publisher may try again.
    static let retryAfterSeconds: UInt32 = 5

    let index: Int32
    var configuration: StreamConfiguration
    let log: StreamLog
    let worker: StreamWorker
    var duplicates: DuplicateIndex
    var waiting = AcknowledgementQueue()
    /// Sealed batches that the worker has.
    var batchesInFlight = 0
    /// Publishers whose frame found the log's memory full: read from again after the next sync.
    var held: [UInt64] = []
    var consumers: [String: Consumer] = [:]
    var waitingReads: [WaitingRead] = []
    /// Where nobody has to read everything (the daemon's own `events`), what is stored counts as acknowledged when there is no consumer.
    let isExpendableWithoutConsumers: Bool

    var isSaving = false
    var isReclaiming = false
    /// A consumer came or went: both slots of the store are to be written.
    var isStructureUnsaved = false
    var retryAt: UInt64 = 0
    var isRetrying = false
    var backOff = BackOff(base: .milliseconds(200), ceiling: .seconds(5))
    /// Why publishing is refused now.
    var refusalReason: String?
    var refused: UInt64 = 0
    var loggedCorrupt: UInt64 = 0

    init(
        index: Int32, configuration: StreamConfiguration, log: StreamLog, worker: StreamWorker,
        duplicates: DuplicateIndex, isExpendableWithoutConsumers: Bool
    ) {
        self.index = index
        self.configuration = configuration
        self.log = log
        self.worker = worker
        self.duplicates = duplicates
        self.isExpendableWithoutConsumers = isExpendableWithoutConsumers
    }

    var state: StreamState {
        let last = log.lastSequence
        return StreamState(
            configuration: configuration, id: log.id, firstSequence: log.firstSequence, lastSequence: last,
            bytes: UInt64(log.byteCount), corruptSequences: log.corruptSequences, corruptCount: log.corruptCount,
            consumers: consumers.keys.sorted(), isAccepting: refusalReason == nil, refusalReason: refusalReason)
    }

    /// Everything up to here may go, as far as consumers are concerned.
    var acknowledgedThrough: UInt64 {
        if let least = consumers.values.map(\.acknowledgedThrough).min() { return least }
        return isExpendableWithoutConsumers ? log.lastSequence : 0
    }

    /// 1 to 64 of `a-z 0-9 -`, so that it can be a folder's name and a subject's token.
    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    /// What is wrong with a configuration; nil: nothing.
    static func problem(_ configuration: StreamConfiguration) -> String? {
        guard isName(configuration.name) else { return "a stream's name is 1 to 64 of a-z, 0-9 and -" }
        guard !configuration.subjects.isEmpty, configuration.subjects.count <= 64 else {
            return "a stream has 1 to 64 subjects"
        }
        for (index, filter) in configuration.subjects.enumerated() {
            guard SubjectFilter.isValidFilter(filter) else { return "'\(filter)' is not a subject filter" }
            if SubjectFilter.overlaps(filter, "inbox.>") { return "'\(filter)' would capture inboxes" }
            for other in configuration.subjects[..<index] where SubjectFilter.overlaps(filter, other) {
                return "'\(filter)' overlaps '\(other)'"
            }
        }
        guard (1 << 20...1 << 30).contains(configuration.segmentBytes) else {
            return "segmentBytes must be within 1 MiB to 1 GiB"
        }
        guard configuration.maximumBytes >= 2 * configuration.segmentBytes else {
            return "maximumBytes must hold two segments"
        }
        guard configuration.maximumBytes <= 1 << 50 else { return "maximumBytes must not exceed 1 PiB" }
        guard (0...10_000_000).contains(configuration.maximumDuplicateEntries) else {
            return "maximumDuplicateEntries must be within 0 to 10,000,000"
        }
        return nil
    }
}

extension StreamLog {
    /// L: whether reading from `sequence` on is served from memory. True stays true until the next append.
    func holdsInMemory(_ sequence: UInt64) -> Bool {
        shared.withLock {
            sequence > $0.lastSequence || ($0.ringEnd > $0.ringFloor && sequence >= $0.ringSequence)
        }
    }
}
