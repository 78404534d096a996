// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Testing

/// What RFC 8428 section 6 and RFC 8949 ask of CBOR.
@Suite struct SenMLCBORTests {
    /// `[{0: "a", <fields>}]`
    private func pack(_ fields: String, count: Int = 1) -> [UInt8] {
        [0x81, 0xA0 | UInt8(count + 1), 0x00, 0x61, 0x61] + hexadecimal(fields)
    }

    private func value(_ fields: String, count: Int = 1) throws -> SenMLMeasurement.Value? {
        try decode(pack(fields, count: count), .cbor).first?.value
    }

    private static let numbers: [(String, Double)] = [
        ("02 00", 0.0), ("02 17", 23), ("02 1818", 24), ("02 190100", 256), ("02 1a00010000", 65_536),
        ("02 1b0020000000000001", 9_007_199_254_740_992),
        ("02 20", -1), ("02 3818", -25), ("02 3b7fffffffffffffff", -0x1p63), ("02 3bffffffffffffffff", -0x1p64),
        ("02 1bffffffffffffffff", 0x1p64),
        ("02 1b0000000000000005", 5), ("02 f93e00", 1.5), ("02 f90001", 0x1p-24), ("02 f97bff", 65_504),
        ("02 f98000", -0.0), ("02 f9c400", -4),
        ("02 fa47c35000", 100_000), ("02 fb3ff199999999999a", 1.1), ("02 c4 82 21 196ab3", 273.15),
        ("02 c4 82 01 05", 50), ("02 c4 9f 20 05 ff", 0.5),
        ("02 c4 82 20 24", -0.5), ("02 c4 82 39ffff 01", 0),
    ]

    @Test(arguments: numbers)
    func readsNumbersInEveryForm(fields: String, expected: Double) throws {
        guard case .number(let number)? = try value(fields) else {
            Issue.record("no number")
            return
        }
        #expect(number.bitPattern == expected.bitPattern)
    }

    @Test func readsOtherValues() throws {
        #expect(try value("03 62 c3a9") == .text("é"))
        #expect(try value("03 60") == .text(""))
        #expect(try value("04 f4") == .boolean(false))
        #expect(try value("04 f5") == .boolean(true))
        #expect(try value("08 4300ff22") == .data([0x00, 0xFF, 0x22]))
        #expect(try value("08 d5 4101") == .data([1]))
        #expect(try value("08 40") == .data([]))
    }

    @Test func takesIndefiniteLengthsAndTheSelfDescription() throws {
        let bytes = hexadecimal(
            "d9d9f7 9f bf 21 7f 61 61 61 62 ff 00 7f ff 02 01 01 7f 61 56 ff ff a2 00 61 63 02 02 ff")
        let measurements = try decode(bytes, .cbor)
        #expect(measurements.map(\.name) == ["ab", "abc"])
        #expect(measurements.map(\.unit) == ["V", nil])
    }

    private static let times: [(String, Int64)] = [
        ("06 24", receivedAt - 5 * second), ("06 fb41d303a15b001062", 1_276_020_076_001_000_000),
        ("06 1a65937d80", 1_704_164_736 * second),
        ("06 c4 82 28 1b17979cfe362a0001", 1_700_000_000_000_000_001), ("06 f93800", receivedAt + second / 2),
        ("06 fbbfb999999999999a", receivedAt - 100_000_000),
    ]

    @Test(arguments: times)
    func readsTimesInEveryForm(fields: String, expected: Int64) throws {
        #expect(try decode(pack(fields + " 02 01", count: 2), .cbor).map(\.time) == [expected])
    }

    @Test func ignoresLabelsItDoesNotKnow() throws {
        let unknown =
            "0900 28 f6 1903e8 9f 01 ff 6178 a1 01 bf 20 5f 4100 ff ff 6179 c1 fb3ff199999999999a 627a5a f820 617a 7f 61 61 ff"
        #expect(try value(unknown + " 02 01", count: 8) == .number(1))
    }

    private static let faults: [(String, Int, SenMLError.Kind)] = [
        ("02 f97e00", 1, SenMLError.Kind.numberOutOfRange(.value)), ("02 f97c00", 1, .numberOutOfRange(.value)),
        ("02 fa7f800000", 1, .numberOutOfRange(.value)), ("02 fb7ff8000000000000", 1, .numberOutOfRange(.value)),
        ("02 c4 82 19ffff 01", 1, .numberOutOfRange(.value)), ("06 f97e00 02 01", 2, .numberOutOfRange(.time)),
        ("06 1bffffffffffffffff 02 01", 2, .timeOutOfRange(.time)),
        ("06 fb7e37e43c8800759c 02 01", 2, .timeOutOfRange(.time)),
        ("02 6131", 1, .wrongType(.value)), ("02 f5", 1, .wrongType(.value)), ("02 c2 4101", 1, .wrongType(.value)),
        ("02 c4 83 01 01 01", 1, .wrongType(.value)),
        ("02 c5 82 01 01", 1, .wrongType(.value)), ("03 4161", 1, .wrongType(.stringValue)),
        ("04 00", 1, .wrongType(.booleanValue)), ("04 f6", 1, .wrongType(.booleanValue)),
        ("08 6161", 1, .wrongType(.dataValue)), ("20 3800 02 01", 2, .wrongType(.baseVersion)),
        ("20 f94900 02 01", 2, .wrongType(.baseVersion)),
        ("20 0b 02 01", 2, .unsupportedVersion), ("20 00 02 01", 2, .unsupportedVersion),
        ("20 1bffffffffffffffff 02 01", 2, .unsupportedVersion),
        ("03 7f 6161 ff", 1, .indefiniteLength(.stringValue)), ("08 5f 4161 ff", 1, .indefiniteLength(.dataValue)),
        ("02 01 02 01", 2, .duplicateLabel(.value)), ("00 6162 02 01", 2, .duplicateLabel(.name)),
        ("6176 01", 1, .textLabel(.value)), ("62626e 6161 02 01", 2, .textLabel(.baseName)),
        ("63666f5f 01 02 01", 2, .reservedLabel("fo_")),
        ("7f 6161 615f ff 01 02 01", 2, .reservedLabel("a_")), ("4101 01 02 01", 2, .cbor(.invalidKey)),
        ("f5 01 02 01", 2, .cbor(.invalidKey)),
        ("02 01 03 6161", 2, .severalValues), ("01 6161", 1, .missingValue),
        ("03 62 c328", 1, .cbor(.invalidUTF8)), ("0a 62 c328 02 01", 2, .cbor(.invalidUTF8)),
        ("02 1c", 1, .cbor(.invalidHead)), ("02 3f", 1, .cbor(.invalidHead)),
        ("02 ff", 1, .cbor(.unexpectedBreak)), ("0a f814 02 01", 2, .cbor(.invalidSimpleValue)),
        ("0a 7f 4161 ff 02 01", 2, .cbor(.invalidChunk)),
        ("0a 5f 5f ff ff 02 01", 2, .cbor(.invalidChunk)), ("0a 7b7fffffffffffffff 61", 2, .cbor(.truncated)),
        ("0a 9b7fffffffffffffff 61", 2, .cbor(.truncated)),
        ("0a bf 01 ff 02 01", 2, .cbor(.unexpectedBreak)),
    ]

    @Test(arguments: faults)
    func refuses(fields: String, count: Int, expected: SenMLError.Kind) {
        #expect(refusal(cbor: pack(fields, count: count))?.kind == expected)
    }

    @Test(arguments: [
        ("", SenMLError.Kind.cbor(.truncated)), ("80", .emptyPack), ("9f ff", .emptyPack), ("a0", .notAnArray),
        ("01", .notAnArray), ("81 01", .notARecord),
        ("81 80", .notARecord), ("81 a2 00 6161 02 01 00", .cbor(.trailingContent)), ("ff", .cbor(.unexpectedBreak)),
        ("9bffffffffffffffff", .cbor(.truncated)),
        ("81 bbffffffffffffffff", .cbor(.truncated)), ("c1 80", .notAnArray), ("81 a0", .missingValue),
    ])
    func refusesShapes(bytes: String, expected: SenMLError.Kind) {
        #expect(refusal(cbor: hexadecimal(bytes))?.kind == expected)
    }

    @Test func boundsRecordsAndDepth() {
        func pack(_ count: Int) -> [UInt8] {
            [0x9F] + Array(repeating: [0xA2, 0x00, 0x61, 0x61, 0x02, 0x01], count: count).joined() + [0xFF]
        }
        #expect(refusal(cbor: pack(Limits.senmlRecords)) == nil)
        #expect(refusal(cbor: pack(Limits.senmlRecords + 1))?.kind == .tooManyRecords)
        let depth = Limits.jsonDepth - 2
        let nested = String(repeating: "81", count: depth) + "00"
        #expect(refusal(cbor: self.pack("0a \(nested) 02 01", count: 2)) == nil)
        #expect(refusal(cbor: self.pack("0a 81 \(nested) 02 01", count: 2))?.kind == .cbor(.tooDeep))
        let tags = String(repeating: "c1", count: 1_000_000)
        #expect(refusal(cbor: self.pack("0a \(tags) 00 02 01", count: 2))?.kind == .cbor(.tooDeep))
    }

    @Test func everyTruncationIsAnError() throws {
        let whole = hexadecimal(
            "82 a4 21 6161 22 fb41d303a15b001062 00 6162 02 f93e00 a4 00 6163 0a 9f 01 ff 03 62c3a9 08 4101".replacing(
                "08 4101", with: "07 0a"))
        #expect(try decode(whole, .cbor).count == 2)
        for length in 0..<whole.count { #expect(refusal(cbor: Array(whole[..<length])) != nil, "\(length) bytes") }
    }

    @Test func writesTheShortestFormThatKeepsTheValue() throws {
        func written(_ value: Double) throws -> [UInt8] {
            let measurement = SenMLMeasurement(name: "a", time: second << 30, value: .number(value))
            // Array, map, name, time and the value's label take twelve bytes.
            return Array(try encode([measurement], .cbor).dropFirst(12))
        }
        #expect(try written(1) == [0x01])
        #expect(try written(-1) == [0x20])
        #expect(try written(1.5) == hexadecimal("f93e00"))
        #expect(try written(-0.0) == hexadecimal("f98000"))
        #expect(try written(65_504.5) == hexadecimal("fa477fe080"))
        #expect(try written(1.1) == hexadecimal("fb3ff199999999999a"))
        #expect(try written(1e300) == hexadecimal("fb7e37e43c8800759c"))
    }
}
