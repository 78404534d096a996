// SPDX-License-Identifier: Apache-2.0
import Core

/// Reads a pack in the CBOR representation (RFC 8428 section 6).
struct SenMLCBORReader {
    /// Unknown values stand inside the pack's array and a record's map.
    private static let unknownDepth = Limits.jsonDepth - 2
    /// "This is CBOR" (RFC 8949 section 3.4.6); changes nothing.
    private static let selfDescribedTag: UInt64 = 55799
    /// Hints how a byte string would be written as text (RFC 8949 section 3.4.5.2); change nothing.
    private static let textHintTags: ClosedRange<UInt64> = 21...23
    private static let falseValue: UInt8 = 20
    private static let trueValue: UInt8 = 21

    private var cursor: CBORCursor
    private(set) var resolver: SenMLResolver

    init(_ payload: UnsafeRawBufferPointer, receivedAt: Int64, keeping: Bool, scratch: [UInt8]) {
        cursor = CBORCursor(payload)
        resolver = SenMLResolver(source: payload, receivedAt: receivedAt, keeping: keeping, scratch: scratch)
    }

    /// - Returns: how many measurements there are.
    mutating func read(into batch: inout SenMLBatch) throws(SenMLError) -> Int {
        let head = try readPackHead()
        guard head.isIndefinite || head.argument > 0 else { throw SenMLError(.emptyPack, record: nil, offset: 0) }
        var left = head.argument
        while head.isIndefinite ? !cursor.takeBreak() : left > 0 {
            try readRecord(into: &batch)
            left &-= 1
        }
        guard resolver.record > 0 else { throw SenMLError(.emptyPack, record: nil, offset: 0) }
        guard cursor.isAtEnd else { throw packFailure(CBORError(.trailingContent, offset: cursor.offset)) }
        return resolver.measurements
    }

    private mutating func readPackHead() throws(SenMLError) -> CBORCursor.Head {
        do throws(CBORError) {
            var head = try cursor.readHead()
            if head.major == .tag && head.argument == Self.selfDescribedTag { head = try cursor.readHead() }
            if head.major == .array { return head }
            // Another item is a pack of the wrong shape, anything else no CBOR.
            try cursor.skipItem(head, depth: Limits.jsonDepth)
        } catch {
            throw packFailure(error)
        }
        throw SenMLError(.notAnArray, record: nil, offset: 0)
    }

    @inline(__always)
    private mutating func readRecord(into batch: inout SenMLBatch) throws(SenMLError) {
        resolver.offset = cursor.offset
        guard resolver.record < Limits.senmlRecords else { throw resolver.failure(.tooManyRecords) }
        let head = try readHead()
        guard head.major == .map else {
            try skip(head)
            throw resolver.failure(.notARecord)
        }
        var left = head.argument
        while head.isIndefinite ? !cursor.takeBreak() : left > 0 {
            try readMember()
            left &-= 1
        }
        resolver.offset = cursor.offset
        try resolver.finishRecord(into: &batch)
    }

    @inline(__always)
    private mutating func readMember() throws(SenMLError) {
        let start = cursor.offset
        let key = try readHead()
        switch key.major {
        case .unsigned where key.argument <= 8: try readField(Int(key.argument))
        case .negative where key.argument <= 5: try readField(-1 - Int(key.argument))
        case .unsigned, .negative: try skip()
        case .text: try readTextMember(key)
        case .bytes, .array, .map, .tag, .simple: throw failure(CBORError(.invalidKey, offset: start))
        }
    }

    /// Extensions have text labels; those that section 6 gives an integer may not.
    private mutating func readTextMember(_ key: CBORCursor.Head) throws(SenMLError) {
        resolver.offset = cursor.offset
        let name = try readTextBytes(key)
        let fault = resolver.withBytes(of: name) { bytes -> SenMLError.Kind? in
            if let label = SenMLLabel(jsonName: bytes) { return .textLabel(label) }
            return bytes.last == UInt8(ascii: "_") ? .reservedLabel(SenMLError.shown(bytes)) : nil
        }
        if let fault { throw resolver.failure(fault) }
        try skip()
    }

    @inline(__always)
    private mutating func readField(_ number: Int) throws(SenMLError) {
        guard let label = SenMLLabel(number: number) else { return try skip() }
        resolver.offset = cursor.offset
        try resolver.begin(label)
        switch label {
        case .name, .unit, .baseName, .baseUnit:
            let head = try readHead()
            guard head.major == .text else { throw resolver.failure(.wrongType(label)) }
            resolver.set(label, text: try readTextBytes(head))
        case .value, .sum, .baseValue, .baseSum: try resolver.set(label, number: try readNumber(label).double)
        case .time, .baseTime, .updateTime:
            try resolver.set(label, nanoseconds: try readNumber(label).decimal.nanounits())
        case .baseVersion:
            let head = try readHead()
            guard head.major == .unsigned else { throw resolver.failure(.wrongType(label)) }
            try resolver.set(version: Int(clamping: head.argument))
        case .booleanValue:
            let head = try readHead()
            guard head.major == .simple, head.information == Self.trueValue || head.information == Self.falseValue
            else { throw resolver.failure(.wrongType(label)) }
            resolver.set(boolean: head.information == Self.trueValue)
        case .stringValue, .dataValue: try readContent(label)
        }
    }

    private mutating func readContent(_ label: SenMLLabel) throws(SenMLError) {
        var head = try readHead()
        if label == .dataValue, head.major == .tag, Self.textHintTags ~= head.argument { head = try readHead() }
        guard head.major == (label == .dataValue ? .bytes : .text) else { throw resolver.failure(.wrongType(label)) }
        guard !head.isIndefinite else { throw resolver.failure(.indefiniteLength(label)) }
        let range: Range<Int>
        do throws(CBORError) { range = try cursor.readContent(head) } catch { throw failure(error) }
        resolver.set(content: SenMLResolver.Content(offset: range.lowerBound, count: range.count))
    }

    /// The content of a text string; one of indefinite length is put together in the scratch bytes.
    @inline(__always)
    private mutating func readTextBytes(_ head: CBORCursor.Head) throws(SenMLError) -> SenMLText {
        do throws(CBORError) {
            if !head.isIndefinite {
                let range = try cursor.readContent(head)
                return SenMLText(origin: .source, offset: range.lowerBound, count: range.count)
            }
            let offset = resolver.scratch.count
            while let range = try cursor.readChunk(of: .text) {
                resolver.scratch.append(contentsOf: UnsafeRawBufferPointer(rebasing: cursor.bytes[range]))
            }
            return SenMLText(origin: .scratch, offset: offset, count: resolver.scratch.count - offset)
        } catch {
            throw failure(error)
        }
    }

    @inline(__always)
    private mutating func readNumber(_ label: SenMLLabel) throws(SenMLError) -> CBORNumber {
        let number: CBORNumber?
        do throws(CBORError) { number = try CBORNumber(reading: &cursor) } catch { throw failure(error) }
        guard let number else { throw resolver.failure(.wrongType(label)) }
        guard number.isFinite else { throw resolver.failure(.numberOutOfRange(label)) }
        return number
    }

    @inline(__always)
    private mutating func readHead() throws(SenMLError) -> CBORCursor.Head {
        do throws(CBORError) { return try cursor.readHead() } catch { throw failure(error) }
    }

    private mutating func skip() throws(SenMLError) {
        do throws(CBORError) { try cursor.skipItem(depth: Self.unknownDepth) } catch { throw failure(error) }
    }

    private mutating func skip(_ head: CBORCursor.Head) throws(SenMLError) {
        do throws(CBORError) { try cursor.skipItem(head, depth: Self.unknownDepth) } catch { throw failure(error) }
    }

    private func failure(_ error: CBORError) -> SenMLError {
        SenMLError(.cbor(error.kind), record: resolver.record, offset: error.offset)
    }

    private func packFailure(_ error: CBORError) -> SenMLError {
        SenMLError(.cbor(error.kind), record: nil, offset: error.offset)
    }
}
