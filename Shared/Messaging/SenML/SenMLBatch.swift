// SPDX-License-Identifier: Apache-2.0

/// Resolved measurements of any number of packs, and the bytes of their names, units and values in one array.
///
/// Made to be filled, written to the database, emptied and filled again without allocating. Independent of the payloads it was read from.
public struct SenMLBatch: Sendable {
    public private(set) var records: [SenMLRecord] = []
    /// What the records' slices point into.
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public init(_ measurements: some Sequence<SenMLMeasurement>) {
        for measurement in measurements { append(measurement) }
    }

    public var isEmpty: Bool { records.isEmpty }
    public var count: Int { records.count }

    /// Empties it; the memory is kept.
    public mutating func removeAll() {
        records.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
    }

    /// Calls `body` with a slice's bytes; empty when the slice is not one of this batch.
    public func withBytes<Result>(of slice: SenMLRecord.Slice, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.withUnsafeBytes { bytes in
            guard slice.offset >= 0, slice.count >= 0, slice.offset <= bytes.count,
                slice.count <= bytes.count - slice.offset
            else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
            return body(UnsafeRawBufferPointer(rebasing: bytes[slice.offset..<(slice.offset + slice.count)]))
        }
    }

    /// A slice as text.
    public func text(_ slice: SenMLRecord.Slice) -> String {
        withBytes(of: slice) { String(decoding: $0, as: UTF8.self) }
    }

    /// The measurement as a value of its own.
    public func measurement(_ record: SenMLRecord) -> SenMLMeasurement {
        let value: SenMLMeasurement.Value? =
            switch record.value {
            case .none: nil
            case .number(let number): .number(number)
            case .text(let slice): .text(text(slice))
            case .boolean(let boolean): .boolean(boolean)
            case .data(let slice): .data(withBytes(of: slice) { [UInt8]($0) })
            }
        return SenMLMeasurement(
            name: text(record.name), unit: record.unit.map(text), time: record.time, value: value, sum: record.sum,
            updateTime: record.updateTime)
    }

    /// All of them as values of their own.
    public var measurements: [SenMLMeasurement] { records.map(measurement) }

    public mutating func append(_ measurement: SenMLMeasurement) {
        let value: SenMLRecord.Value =
            switch measurement.value {
            case nil: .none
            case .number(let number): .number(number)
            case .text(let text): .text(append(bytes: text.utf8))
            case .boolean(let boolean): .boolean(boolean)
            case .data(let data): .data(append(bytes: data))
            }
        let name = append(bytes: measurement.name.utf8)
        let unit = measurement.unit.flatMap { $0.isEmpty ? nil : append(bytes: $0.utf8) }
        records.append(
            SenMLRecord(
                time: measurement.time, updateTime: measurement.updateTime, name: name, unit: unit, value: value,
                sum: measurement.sum, index: records.count))
    }
}

extension SenMLBatch {
    mutating func append(_ record: SenMLRecord) { records.append(record) }

    @inline(__always)
    mutating func append(bytes added: some Sequence<UInt8>) -> SenMLRecord.Slice {
        let offset = bytes.count
        bytes.append(contentsOf: added)
        return SenMLRecord.Slice(offset: offset, count: bytes.count - offset)
    }

    /// Lets `body` append to the bytes; what it appended is the slice.
    @inline(__always)
    mutating func appendBytes(_ body: (inout [UInt8]) -> Void) -> SenMLRecord.Slice {
        let offset = bytes.count
        body(&bytes)
        return SenMLRecord.Slice(offset: offset, count: bytes.count - offset)
    }

    /// Takes back what a refused pack had appended.
    mutating func truncate(records count: Int, bytes byteCount: Int) {
        records.removeSubrange(min(count, records.count)...)
        bytes.removeSubrange(min(byteCount, bytes.count)...)
    }

    /// Brings the records from `start` into chronological order (RFC 8428 section 4.6); those of the same time stay in the pack's order.
    mutating func sortByTime(from start: Int) {
        var isSorted = true
        for index in records.indices.dropFirst(start + 1) where records[index].time < records[index - 1].time {
            isSorted = false
            break
        }
        if isSorted { return }
        records[start...].sort { ($0.time, $0.index) < ($1.time, $1.index) }
    }
}
