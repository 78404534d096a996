// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// Writes resolved packs: no base fields, absolute times in seconds (RFC 8428 section 4.6).
///
/// Decoding what was written gives the same measurements to the last bit, as long as times are absolute ones (from 1978-07-04 on,
/// ``SenMLDecoder/absoluteTimeThreshold``): earlier ones would be read as relative.
public enum SenMLEncoder {
    /// Appends the batch as one pack.
    ///
    /// - Throws: ``SenMLError`` for what no pack may hold: a number that is not finite, a record without value and sum, a name against the
    ///   rules of section 4.5.1, an empty pack; `buffer` is then as it was.
    public static func encode(
        _ batch: SenMLBatch, format: SenMLFormat, into buffer: inout ByteBuffer
    ) throws(SenMLError) {
        guard !batch.isEmpty else { throw SenMLError(.emptyPack, record: nil, offset: 0) }
        for (index, record) in batch.records.enumerated() {
            if let fault = fault(of: record, in: batch) { throw SenMLError(fault, record: index, offset: 0) }
        }
        var output: [UInt8] = []
        // A resolved record with its name takes about so much.
        output.reserveCapacity(batch.count * 64 + batch.bytes.count)
        switch format {
        case .json: SenMLJSONWriter.write(batch, to: &output)
        case .cbor: SenMLCBORWriter.write(batch, to: &output)
        }
        buffer.writeBytes(output)
    }

    public static func encode(
        _ measurements: some Sequence<SenMLMeasurement>, format: SenMLFormat, into buffer: inout ByteBuffer
    ) throws(SenMLError) {
        try encode(SenMLBatch(measurements), format: format, into: &buffer)
    }

    private static func fault(of record: SenMLRecord, in batch: SenMLBatch) -> SenMLError.Kind? {
        if case .number(let number) = record.value, !number.isFinite { return .numberOutOfRange(.value) }
        if let sum = record.sum, !sum.isFinite { return .numberOutOfRange(.sum) }
        if case .none = record.value, record.sum == nil { return .missingValue }
        var name = SenMLText.empty
        let count = batch.withBytes(of: record.name) {
            name.classifyName($0)
            return $0.count
        }
        if count == 0 { return .missingName }
        if count > Limits.nameBytes { return .nameTooLong }
        if !name.isNameText { return .nameCharacter }
        return name.beginsName ? nil : .nameStart
    }
}
