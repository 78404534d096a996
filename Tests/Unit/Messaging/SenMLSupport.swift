// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore
import Testing

/// What relative times count from in these tests: 2026-01-01T00:00:00Z.
let receivedAt: Int64 = 1_767_225_600_000_000_000
let second: Int64 = 1_000_000_000

/// A pack decoded; the same bytes are validated too and must give the same answer.
func decode(_ bytes: [UInt8], _ format: SenMLFormat) throws -> [SenMLMeasurement] {
    var decoder = SenMLDecoder()
    var batch = SenMLBatch()
    let buffer = ByteBuffer(bytes: bytes)
    var validated: Int?
    do throws(SenMLError) {
        validated = try decoder.validate(buffer, format: format, receivedAt: receivedAt)
    } catch {
        #expect(throws: error) { try decoder.decode(buffer, format: format, receivedAt: receivedAt, into: &batch) }
        #expect(batch.isEmpty)
        throw error
    }
    try decoder.decode(buffer, format: format, receivedAt: receivedAt, into: &batch)
    #expect(validated == batch.count)
    return batch.measurements
}

func decode(json: String) throws -> [SenMLMeasurement] { try decode(Array(json.utf8), .json) }

/// Why a pack is refused; nil when it is not.
func refusal(json: String) -> SenMLError? {
    do {
        _ = try decode(json: json)
        return nil
    } catch {
        return error as? SenMLError
    }
}

func refusal(cbor: [UInt8]) -> SenMLError? {
    do {
        _ = try decode(cbor, .cbor)
        return nil
    } catch {
        return error as? SenMLError
    }
}

func encode(_ measurements: [SenMLMeasurement], _ format: SenMLFormat) throws -> [UInt8] {
    var buffer = ByteBuffer()
    try SenMLEncoder.encode(measurements, format: format, into: &buffer)
    return Array(buffer.readableBytesView)
}

/// Bytes from hexadecimal digits; spaces and lines are ignored.
func hexadecimal(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
