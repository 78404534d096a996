// SPDX-License-Identifier: Apache-2.0
import Core
import Testing

@testable import BusService

/// A record as tests compare it.
struct Stored: Equatable, Hashable, CustomTestStringConvertible {
    var sequence: UInt64
    var storedAt: Int64
    var subject: [UInt8]
    var headers: [UInt8]
    var payload: [UInt8]

    init(sequence: UInt64, storedAt: Int64 = 1, subject: String = "a.b", headers: [UInt8] = [], payload: [UInt8]) {
        self.sequence = sequence
        self.storedAt = storedAt
        self.subject = Array(subject.utf8)
        self.headers = headers
        self.payload = payload
    }

    var testDescription: String { "#\(sequence) \(payload.count) bytes" }

    init(_ record: LogRecord) {
        sequence = record.sequence
        storedAt = record.storedAt
        subject = Array(record.subject)
        headers = Array(record.headers)
        payload = Array(record.payload)
    }
}

extension LogConfiguration {
    /// Small enough that a few records fill a segment.
    static func small(
        segmentBytes: Int = 4096, maximumBytes: Int = 1 << 20, maximumRecordBytes: Int = 1024,
        batchBytes: Int = 2048, indexIntervalBytes: Int = 256, reserveBytes: Int = 0
    ) -> LogConfiguration {
        LogConfiguration(
            segmentBytes: segmentBytes, maximumBytes: maximumBytes, reserveBytes: reserveBytes,
            memoryBytes: 8 << 10, batchBytes: batchBytes, maximumRecordBytes: maximumRecordBytes,
            indexIntervalBytes: indexIntervalBytes)
    }
}

extension StreamLog {
    @discardableResult
    func append(_ record: Stored) -> AppendOutcome {
        record.subject.withUnsafeBytes { subject in
            record.headers.withUnsafeBytes { headers in
                record.payload.withUnsafeBytes { payload in
                    append(subject: subject, headers: headers, payload: payload, storedAt: record.storedAt)
                }
            }
        }
    }

    /// Appends with the next sequence number; the record as it is to be read.
    func appendNext(_ payload: [UInt8], storedAt: Int64 = 1) throws -> Stored {
        let record = Stored(sequence: nextSequence, storedAt: storedAt, payload: payload)
        var outcome = append(record)
        if outcome == .refused(.batchFull) {
            try commit()
            outcome = append(record)
        }
        #expect(outcome == .appended(record.sequence))
        return record
    }

    /// Seals, writes and finishes what is open.
    func commit() throws {
        guard let batch = sealBatch() else { return }
        do {
            try write(batch)
            finish(batch, .success(()))
        } catch {
            finish(batch, .failure(error))
            throw error
        }
    }

    /// Everything from `from` on, in reads of at most `maximumBytes`, and what was reported lost.
    func readAll(from: UInt64 = 1, maximumBytes: Int = 700) -> (records: [Stored], lost: [UInt64]) {
        let buffer = LogReadBuffer()
        var next = from
        var records: [Stored] = []
        var lost: [UInt64] = []
        while true {
            let outcome = read(from: next, maximumBytes: maximumBytes, into: buffer)
            records.append(contentsOf: buffer.map { Stored($0) })
            for range in outcome.lost { lost.append(contentsOf: range) }
            if outcome.isAtEnd || outcome.failure != nil || outcome.nextSequence <= next { return (records, lost) }
            next = outcome.nextSequence
        }
    }

    /// Fills with records of one size, one batch each; those written.
    func fill(_ count: Int, payloadBytes: Int = 100, perBatch: Int = 1) throws -> [Stored] {
        var records: [Stored] = []
        for index in 0..<count {
            records.append(
                try appendNext([UInt8](repeating: UInt8(truncatingIfNeeded: index + 1), count: payloadBytes)))
            if (index + 1) % perBatch == 0 { try commit() }
        }
        try commit()
        return records
    }
}

/// Opens a log on a simulated disk.
func openLog(
    _ fileSystem: SimulatedFileSystem, _ configuration: LogConfiguration = .small(), now: Int64 = 1
) throws -> StreamLog {
    try StreamLog(
        directory: "/log", configuration: configuration, fileSystem: fileSystem, clock: WallClock { now })
}
