// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation

/// A durable consumer as it is stored.
struct ConsumerRecord: Sendable, Equatable {
    var configuration: ConsumerConfiguration
    var acknowledged: AcknowledgedSet
    var redelivered: UInt64 = 0
    var deadLettered: UInt64 = 0
}

/// Where the positions of a stream's durable consumers live: in the log's directory, all in one small file of two slots.
///
/// A save replaces the older slot and syncs it; the newer one stays until then. So a crash leaves the positions of the last completed
/// save or of the one before: acknowledgements can be forgotten (the messages are delivered again), never invented. Positions can be saved
/// every now and then; that a consumer was created or deleted is to be saved with ``saveStructure(_:)``, which replaces both slots, so that
/// no older position can come back under a reused name.
final class ConsumerStore: @unchecked Sendable {
    /// What was found at open.
    let recovered: [ConsumerRecord]
    /// A slot that exists and does not check (or belongs to another incarnation of the stream).
    let damagedSlots: Int

    private let directory: String
    private let stream: StreamID
    private let fileSystem: any LogFileSystem
    private var generation: UInt64 = 0
    private var isNameDurable = [false, false]
    /// The slot that holds the newest completed save.
    private var newest = 1

    /// Reads the positions in a log's directory.
    /// - Throws: when a slot exists and cannot be opened now; damage does not throw.
    init(directory: String, stream: StreamID, fileSystem: any LogFileSystem = PosixFileSystem()) throws(LogError) {
        self.directory = directory
        self.stream = stream
        self.fileSystem = fileSystem
        var best: (generation: UInt64, records: [ConsumerRecord])?
        var damaged = 0
        for slot in 0..<2 {
            let bytes: [UInt8]
            do throws(LogError) {
                bytes = try fileSystem.contents(Self.path(directory, slot), limit: ConsumerFormat.maximumBytes)
            } catch {
                if error.isNotFound { continue }
                guard error.isUnreadableMedium else { throw error }
                damaged += 1
                continue
            }
            guard let found = ConsumerFormat.decode(bytes, stream: stream) else {
                damaged += 1
                continue
            }
            if found.generation > best?.generation ?? 0 {
                best = found
                newest = slot
            }
        }
        if best != nil {
            // Its sync may have failed in a process that was killed since, and the next save replaces the other slot.
            let file = try fileSystem.open(Self.path(directory, newest), .readWrite)
            try file.rewrite(try file.size())
            try file.synchronize()
        }
        recovered = best?.records ?? []
        generation = best?.generation ?? 0
        damagedSlots = damaged
    }

    /// S: saves all consumers' positions; durable when it returns. After an error the positions saved before are still there.
    func save(_ records: [ConsumerRecord]) throws(LogError) {
        let slot = 1 - newest
        let bytes = ConsumerFormat.encode(records, stream: stream, generation: generation + 1)
        let path = Self.path(directory, slot)
        let file: any LogFile
        do throws(LogError) {
            file = try fileSystem.open(path, .readWrite)
        } catch {
            guard error.isNotFound else { throw error }
            file = try fileSystem.open(path, .create)
        }
        try file.writeAll(bytes)
        try file.synchronize()
        if !isNameDurable[slot] {
            // Also for a file that was found: whoever created it may have been killed before this.
            try fileSystem.synchronizeDirectory(directory)
            isNameDurable[slot] = true
        }
        generation += 1
        newest = slot
    }

    /// S: as ``save(_:)``, in both slots: for consumers that were created or deleted.
    func saveStructure(_ records: [ConsumerRecord]) throws(LogError) {
        try save(records)
        try save(records)
    }

    private static func path(_ directory: String, _ slot: Int) -> String { "\(directory)/consumers.\(slot)" }
}

/// A slot: u64 magic, stream identifier, u64 generation, u32 length of the body, u32 CRC-32C of the body, u32 reserved, u32 CRC-32C of the
/// head; then for each consumer u32 length of the configuration, the configuration as JSON, u64 floor, redelivered, dead-lettered, u32
/// ranges, and the ranges.
private enum ConsumerFormat {
    static let magic: UInt64 = 0x3130_534E_434C_524D
    static let headLength = 48
    /// 1,000 consumers with 65,536 single acknowledgements each would be 1 GiB; a real one is kilobytes.
    static let maximumBytes = 256 << 20

    static func encode(_ records: [ConsumerRecord], stream: StreamID, generation: UInt64) -> [UInt8] {
        var body = ByteWriter()
        body.append(UInt32(clamping: records.count))
        let encoder = JSONEncoder()
        for record in records {
            // Encoding a struct of integers and strings cannot fail.
            let configuration = (try? encoder.encode(record.configuration)) ?? Data()
            body.append(UInt32(clamping: configuration.count))
            body.append(contentsOf: configuration)
            body.append(record.acknowledged.floor)
            body.append(record.redelivered)
            body.append(record.deadLettered)
            body.append(UInt32(clamping: record.acknowledged.ranges.count))
            for range in record.acknowledged.ranges {
                body.append(range.lowerBound)
                body.append(range.upperBound)
            }
        }
        var writer = ByteWriter()
        writer.append(magic)
        writer.append(stream.high)
        writer.append(stream.low)
        writer.append(generation)
        writer.append(UInt32(clamping: body.bytes.count))
        writer.append(body.bytes.withUnsafeBytes { Checksum.of($0) })
        writer.append(UInt32(0))
        writer.appendChecksum()
        writer.append(contentsOf: body.bytes)
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8], stream: StreamID) -> (generation: UInt64, records: [ConsumerRecord])? {
        var reader = ByteReader(bytes)
        guard reader.hasChecksum(at: headLength - 4), reader.word() == magic, reader.word() == stream.high,
            reader.word() == stream.low, let generation = reader.word(), let length = reader.integer(UInt32.self),
            let checksum = reader.integer(UInt32.self), bytes.count >= headLength + Int(length)
        else { return nil }
        let body = Array(bytes[headLength..<headLength + Int(length)])
        guard body.withUnsafeBytes({ Checksum.of($0) }) == checksum else { return nil }
        reader = ByteReader(body)
        guard let count = reader.integer(UInt32.self) else { return nil }
        var records: [ConsumerRecord] = []
        let decoder = JSONDecoder()
        for _ in 0..<count {
            guard let size = reader.integer(UInt32.self), let json = reader.take(Int(size)),
                let configuration = try? decoder.decode(ConsumerConfiguration.self, from: Data(json)),
                let floor = reader.word(), let redelivered = reader.word(), let deadLettered = reader.word(),
                let rangeCount = reader.integer(UInt32.self), reader.remaining >= Int(rangeCount) * 16
            else { return nil }
            var ranges: [ClosedRange<UInt64>] = []
            for _ in 0..<rangeCount {
                guard let low = reader.word(), let high = reader.word(), low > 0, low <= high else { return nil }
                ranges.append(low...high)
            }
            records.append(
                ConsumerRecord(
                    configuration: configuration, acknowledged: AcknowledgedSet(floor: floor, ranges: ranges),
                    redelivered: redelivered, deadLettered: deadLettered))
        }
        return (generation, records)
    }
}
