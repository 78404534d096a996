// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore

/// One resolved SenML pack (RFC 8428 section 4.6) of however many records.
///
/// How many they are is not known when the first is sent: the CBOR array has an indefinite length (RFC 8949 section 3.2.2).
struct SenMLPackEncoder: ExportEncoder {
    let format: SenMLFormat
    private var isFirst = true

    init(format: SenMLFormat) { self.format = format }

    func begin(_ output: inout [UInt8]) {
        switch format {
        case .json: output.append(UInt8(ascii: "["))
        case .cbor: output.append(0x9F)
        }
    }

    mutating func append(_ messages: [StoredMessage], to output: inout [UInt8]) throws {
        guard !messages.isEmpty else { return }
        var buffer = ByteBuffer()
        try SenMLEncoder.encode(messages.lazy.compactMap(SenMLMeasurement.init), format: format, into: &buffer)
        let pack = buffer.readableBytesView
        switch format {
        case .json:
            if !isFirst { output.append(UInt8(ascii: ",")) }
            // Without its brackets.
            output += pack.dropFirst().dropLast()
        case .cbor:
            output += pack.dropFirst(Self.headLength(pack.first ?? 0))
        }
        isFirst = false
    }

    func end(_ output: inout [UInt8]) {
        switch format {
        case .json: output.append(UInt8(ascii: "]"))
        case .cbor: output.append(0xFF)
        }
    }

    /// The bytes of an array's head, by its first one (RFC 8949 section 3).
    private static func headLength(_ first: UInt8) -> Int {
        switch first & 31 {
        case 24: 2
        case 25: 3
        case 26: 5
        case 27: 9
        default: 1
        }
    }
}

extension SenMLMeasurement {
    /// nil for what is no SenML record.
    init?(_ message: StoredMessage) {
        guard case .senml(let record) = message.content else { return nil }
        var value: Value?
        if let number = record.value { value = .number(number) }
        if let text = record.stringValue { value = .text(text) }
        if let flag = record.boolValue { value = .boolean(flag) }
        if let data = record.dataValue { value = .data(data) }
        self.init(
            name: record.name, unit: record.unit, time: message.position.time, value: value, sum: record.sum,
            updateTime: record.updateTime.flatMap { Int64(exactly: ($0 * 1e9).rounded()) })
    }
}
