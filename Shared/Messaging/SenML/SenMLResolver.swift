// SPDX-License-Identifier: Apache-2.0
import Core

/// The rules of RFC 8428 sections 4.1 to 4.6, whatever the representation: a reader sets a record's fields, then finishes it.
struct SenMLResolver {
    /// Bytes of `vs` or `vd` as they stand in the source.
    struct Content {
        var offset = 0
        var count = 0
        /// JSON text with backslash sequences.
        var hasEscapes = false
        /// JSON's base64url, to be decoded.
        var isBase64 = false
    }

    let source: UnsafeRawBufferPointer
    let receivedAt: Int64
    /// False when only checking.
    let keeping: Bool
    /// Names and units that had to be unescaped or put together from chunks.
    var scratch: [UInt8]

    // What holds for the pack so far.
    private var baseName = SenMLText.empty
    private var baseTime: Int64 = 0
    private var baseUnit = SenMLText.empty
    private var baseValue: Double?
    private var baseSum: Double?
    private var version: Int?
    private var lastUnit: SenMLRecord.Slice?
    private(set) var measurements = 0
    /// Index of the record that is being read.
    private(set) var record = 0
    /// How far the reader is, for errors.
    var offset = 0

    // The record that is being read; a field counts only while its bit is set.
    private var present: UInt16 = 0
    private var recordVersion = 0
    private var name = SenMLText.empty
    private var unit = SenMLText.empty
    private var time: Int64 = 0
    private var updateTime: Int64 = 0
    private var value = 0.0
    private var sum = 0.0
    private var boolean = false
    private var content = Content()

    init(source: UnsafeRawBufferPointer, receivedAt: Int64, keeping: Bool, scratch: [UInt8]) {
        self.source = source
        self.receivedAt = receivedAt
        self.keeping = keeping
        self.scratch = scratch
    }

    /// A rule that the record breaks.
    func failure(_ kind: SenMLError.Kind) -> SenMLError {
        SenMLError(kind, record: record, offset: offset)
    }

    // MARK: Fields

    @inline(__always)
    mutating func begin(_ label: SenMLLabel) throws(SenMLError) {
        guard present & label.bit == 0 else { throw failure(.duplicateLabel(label)) }
        present |= label.bit
    }

    @inline(__always)
    mutating func set(_ label: SenMLLabel, text: SenMLText) {
        var text = text
        switch label {
        case .name:
            withBytes(of: text) { text.classifyName($0) }
            name = text
        case .baseName:
            withBytes(of: text) { text.classifyName($0) }
            baseName = text
        case .baseUnit: baseUnit = text
        default: unit = text
        }
    }

    @inline(__always)
    mutating func set(_ label: SenMLLabel, number: Double) throws(SenMLError) {
        guard number.isFinite else { throw failure(.numberOutOfRange(label)) }
        switch label {
        case .value: value = number
        case .sum: sum = number
        case .baseValue: baseValue = number
        default: baseSum = number
        }
    }

    /// nil: out of range.
    @inline(__always)
    mutating func set(_ label: SenMLLabel, nanoseconds: Int64?) throws(SenMLError) {
        guard let nanoseconds else { throw failure(.timeOutOfRange(label)) }
        switch label {
        case .time: time = nanoseconds
        case .baseTime: baseTime = nanoseconds
        default: updateTime = nanoseconds
        }
    }

    mutating func set(version: Int) throws(SenMLError) {
        guard 1...SenMLDecoder.supportedVersion ~= version else { throw failure(.unsupportedVersion) }
        recordVersion = version
    }

    @inline(__always)
    mutating func set(boolean: Bool) { self.boolean = boolean }

    @inline(__always)
    mutating func set(content: Content) { self.content = content }

    // MARK: Records

    /// Ends the record: checks it as a whole and appends the measurement, if it makes one.
    @inline(__always)
    mutating func finishRecord(into batch: inout SenMLBatch) throws(SenMLError) {
        try checkVersion()
        // Base fields only: they hold from here on, nothing is measured (RFC 8428 section 5.1.7 has such a record).
        if present & ~SenMLLabel.baseFields != 0 || present == 0 {
            try finishMeasurement(into: &batch)
        }
        present = 0
        record += 1
    }

    private mutating func checkVersion() throws(SenMLError) {
        if present & SenMLLabel.baseVersion.bit != 0 {
            let established = version ?? (record == 0 ? recordVersion : SenMLDecoder.supportedVersion)
            guard recordVersion == established else { throw failure(.versionConflict) }
            version = recordVersion
        }
    }

    @inline(__always)
    private mutating func finishMeasurement(into batch: inout SenMLBatch) throws(SenMLError) {
        let values = present & SenMLLabel.values
        guard values & (values &- 1) == 0 else { throw failure(.severalValues) }

        var total: Double?
        if present & SenMLLabel.sum.bit != 0 || baseSum != nil {
            let result = (baseSum ?? 0) + (present & SenMLLabel.sum.bit != 0 ? sum : 0)
            guard result.isFinite else { throw failure(.numberOutOfRange(.sum)) }
            total = result
        }
        var number: Double?
        if values == SenMLLabel.value.bit {
            number = baseValue.map { $0 + value } ?? value
        } else if values == 0 {
            number = baseValue
            guard number != nil || total != nil else { throw failure(.missingValue) }
        }
        if let number, !number.isFinite { throw failure(.numberOutOfRange(.value)) }

        let hasName = present & SenMLLabel.name.bit != 0
        try checkName(hasName: hasName)
        let moment = try resolvedTime()
        measurements += 1
        guard keeping else { return }

        let kept = if let number { SenMLRecord.Value.number(number) } else { keptValue(values, into: &batch) }
        batch.append(
            SenMLRecord(
                time: moment, updateTime: present & SenMLLabel.updateTime.bit != 0 ? updateTime : nil,
                name: keptName(hasName: hasName, into: &batch), unit: keptUnit(into: &batch), value: kept, sum: total,
                index: record))
    }

    /// Section 4.5.1, on base name and name as if they were put together.
    @inline(__always)
    private func checkName(hasName: Bool) throws(SenMLError) {
        let count = baseName.count + (hasName ? name.count : 0)
        guard count > 0 else { throw failure(.missingName) }
        guard count <= Limits.nameBytes else { throw failure(.nameTooLong) }
        guard baseName.isNameText, !hasName || name.isNameText else { throw failure(.nameCharacter) }
        guard baseName.count > 0 ? baseName.beginsName : name.beginsName else { throw failure(.nameStart) }
    }

    /// Section 4.5.3.
    @inline(__always)
    private func resolvedTime() throws(SenMLError) -> Int64 {
        let own = present & SenMLLabel.time.bit != 0 ? time : 0
        let (sum, overflow) = baseTime.addingReportingOverflow(own)
        guard !overflow else { throw failure(.timeOutOfRange(.time)) }
        guard sum < SenMLDecoder.absoluteTimeThreshold else { return sum }
        let (moment, isOut) = receivedAt.addingReportingOverflow(sum)
        guard !isOut else { throw failure(.timeOutOfRange(.time)) }
        return moment
    }

    // MARK: Keeping

    @inline(__always)
    func withBytes<Result>(of text: SenMLText, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let range = text.offset..<(text.offset + text.count)
        switch text.origin {
        case .source: return body(UnsafeRawBufferPointer(rebasing: source[range]))
        case .scratch: return scratch.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
        }
    }

    @inline(__always)
    private func keptName(hasName: Bool, into batch: inout SenMLBatch) -> SenMLRecord.Slice {
        batch.appendBytes { bytes in
            if baseName.count > 0 { withBytes(of: baseName) { bytes.append(contentsOf: $0) } }
            if hasName { withBytes(of: name) { bytes.append(contentsOf: $0) } }
        }
    }

    /// A unit that equals the record's before is not stored again.
    @inline(__always)
    private mutating func keptUnit(into batch: inout SenMLBatch) -> SenMLRecord.Slice? {
        let unit = present & SenMLLabel.unit.bit != 0 ? unit : baseUnit
        guard unit.count > 0 else { return nil }
        let slice = withBytes(of: unit) { bytes in
            if let lastUnit, lastUnit.count == bytes.count,
                batch.withBytes(of: lastUnit, { $0.elementsEqual(bytes) })
            {
                return lastUnit
            }
            return batch.append(bytes: bytes)
        }
        lastUnit = slice
        return slice
    }

    private func keptValue(_ values: UInt16, into batch: inout SenMLBatch) -> SenMLRecord.Value {
        let bytes = UnsafeRawBufferPointer(rebasing: source[content.offset..<(content.offset + content.count)])
        switch values {
        case SenMLLabel.booleanValue.bit: return .boolean(boolean)
        case SenMLLabel.stringValue.bit:
            guard content.hasEscapes else { return .text(batch.append(bytes: bytes)) }
            return .text(batch.appendBytes { JSONText.unescape(bytes, into: &$0) })
        case SenMLLabel.dataValue.bit:
            guard content.isBase64 else { return .data(batch.append(bytes: bytes)) }
            return .data(batch.appendBytes { Base64URL.decode(bytes, into: &$0) })
        default: return .none
        }
    }
}
