// SPDX-License-Identifier: Apache-2.0
import Core
import Fuzz
import Messaging
import NIOCore
import Testing

/// Packs in the other representation, unresolved (RFC 8428 sections 5 and 6).
@Suite struct SenMLTranscoderTests {
    private func convert(_ pack: [UInt8], _ from: SenMLFormat, _ to: SenMLFormat) throws(SenMLError) -> [UInt8] {
        try pack.withUnsafeBytes { bytes -> Result<[UInt8], SenMLError> in
            var transcoder = SenMLTranscoder()
            var buffer = ByteBuffer()
            do throws(SenMLError) {
                try transcoder.convert(bytes, from: from, to: to, into: &buffer)
                return .success(Array(buffer.readableBytesView))
            } catch {
                return .failure(error)
            }
        }.get()
    }

    private func cbor(_ json: String) throws -> [UInt8] { try convert(Array(json.utf8), .json, .cbor) }

    private func json(_ cbor: [UInt8]) throws -> String {
        String(decoding: try convert(cbor, .cbor, .json), as: UTF8.self)
    }

    /// Section 5.1.2's pack, with the last time that section 6 has where it prints its CBOR.
    private static let timedJSON =
        #"[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1276020076.001,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},"#
        + #"{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3},{"n":"current","t":-3,"v":1.4},"#
        + #"{"n":"current","t":-2,"v":1.5},{"n":"current","t":-1,"v":1.6},{"n":"current","t":0,"v":1.7}]"#

    private static let timedCBOR = hexadecimal(
        """
        87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a
        22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06
        66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75
        72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f
        f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e
        74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33
        33 33 33
        """)

    @Test func theRFCsExampleBecomesTheBytesItPrints() throws {
        #expect(try cbor(Self.timedJSON) == Self.timedCBOR)
        #expect(try cbor(Self.timedJSON.replacing("1276020076.001", with: "1.276020076001e+09")) == Self.timedCBOR)
        #expect(try json(Self.timedCBOR) == Self.timedJSON)
    }

    /// Sections 5.1.1 to 5.1.7, without white space.
    @Test(arguments: [
        #"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#,
        #"[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}]"#,
        #"[{"bn":"urn:dev:ow:10e2073a01080063","bt":1320067464,"bu":"%RH","v":20},{"u":"lon","v":24.30621},{"u":"lat","v":60.07965},{"t":60,"v":20.3}]"#,
        #"[{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},{"n":"label","vs":"Machine Room"},{"n":"open","vb":false},{"n":"nfv-reader","vd":"aGkgCg"}]"#,
        #"[{"bn":"2001:db8::2/","bt":1320078429,"n":"temperature","u":"Cel","v":25.2},{"n":"humidity","u":"%RH","v":30},{"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},{"n":"humidity","u":"%RH","v":67}]"#,
        #"[{"bn":"urn:dev:ow:10e2073a01080063:"},{"n":"temp","u":"Cel","v":23.1},{"n":"heat","u":"/","v":1},{"n":"fan","u":"/","v":0}]"#,
        #"[{"bt":1320078429,"bu":"/","n":"2001:db8::3","v":0.5},{"n":"2001:db8::4","v":0.5},{"n":"2001:db8::3","t":0.1,"v":0}]"#,
    ])
    func otherExamplesComeBackAsTheyWere(pack: String) throws {
        let converted = try cbor(pack)
        #expect(try json(converted) == pack)
        #expect(try decode(converted, .cbor) == (try decode(json: pack)))
    }

    /// The number in JSON, the bytes in CBOR, and the number that comes back where it is spelled otherwise.
    @Test(arguments: [
        ("0", "00", nil), ("-0", "f98000", nil), ("10", "0a", nil), ("10.0", "0a", "10"), ("1E1", "0a", "10"),
        ("-1", "20", nil), ("1000000", "1a000f4240", nil), ("1e18", "1b0de0b6b3a7640000", "1000000000000000000"),
        ("9007199254740993", "1b0020000000000001", nil),
        ("18446744073709551615", "1bffffffffffffffff", nil), ("-18446744073709551615", "3bfffffffffffffffe", nil),
        ("-18446744073709551616", "fadf800000", nil),
        ("1.5", "f93e00", nil), ("0.1", "fb3fb999999999999a", nil), ("100000.5", "fa47c35040", nil),
        ("1e300", "fb7e37e43c8800759c", "1e300"), ("5e-324", "fb0000000000000001", nil),
        // More digits than a double tells apart: a decimal fraction.
        ("0.1000000000000000055", "c482321b0de0b6b3a7640037", nil),
        ("-1234567890.123456789", "c482283b112210f47de98114", nil),
        ("1e-400", "c48239018f01", nil),
        // Beyond a mantissa of 64 bits: the nearest double.
        ("0.100000000000000000001", "fb3fb999999999999a", "0.1"),
        ("123456789012345678901234567890", "fb45f8ee90ff6c373e", "1.2345678901234568e29"),
    ])
    func numbersStayWhatTheyAre(number: String, bytes: String, back: String?) throws {
        let pack = "[{\"n\":\"a\",\"v\":\(number)}]"
        let converted = try cbor(pack)
        #expect(converted == hexadecimal("81 a2 00 61 61 02 \(bytes)"))
        #expect(try json(converted) == "[{\"n\":\"a\",\"v\":\(back ?? number)}]")
    }

    @Test(arguments: [
        ("1700000000", "1a6553f100", nil), ("1700000000.5", "fb41d954fc40200000", nil),
        ("1700000000.123456789", "c482281b17979cfe3d85cd15", nil),
        ("-0.25", "f9b400", nil),
        // Beyond a mantissa of 64 bits: the nanosecond.
        ("1700000000.12345678912345", "c482281b17979cfe3d85cd15", "1700000000.123456789"),
    ])
    func timesStayWhatTheyAre(time: String, bytes: String, back: String?) throws {
        let converted = try cbor("[{\"n\":\"a\",\"t\":\(time),\"v\":1}]")
        #expect(converted == hexadecimal("81 a3 00 61 61 06 \(bytes) 02 01"))
        #expect(try json(converted) == "[{\"n\":\"a\",\"t\":\(back ?? time),\"v\":1}]")
    }

    @Test func numbersOfCBORGetTheirDecimals() throws {
        func text(_ number: String) throws -> String {
            try json(hexadecimal("81 a2 00 61 61 02 \(number)")).replacing("[{\"n\":\"a\",\"v\":", with: "").replacing(
                "}]", with: "")
        }
        #expect(try text("1bffffffffffffffff") == "18446744073709551615")
        #expect(try text("3bffffffffffffffff") == "-18446744073709551616")
        #expect(try text("f93e00") == "1.5")
        #expect(try text("fa41b9999a") == "23.200000762939453")
        #expect(try text("c4 82 21 19 6ab3") == "273.15")
        #expect(try text("c4 9f 21 19 6ab3 ff") == "273.15")
        #expect(try text("c4 82 28 1a 59682f00") == "1.5")
        #expect(try text("c4 82 03 05") == "5000")
        #expect(try text("c4 82 18 1e 03") == "3e30")
        #expect(try text("c4 82 38 1d 22") == "-3e-30")
    }

    @Test func textIsWrittenAsEachFormHasIt() throws {
        let pack = #"[{"\u006e":"a\/b","u":"µm","vs":"\ud83d\ude00 \"\\\n\u0001"}]"#
        let converted = try cbor(pack)
        #expect(try json(converted) == "[{\"n\":\"a/b\",\"u\":\"µm\",\"vs\":\"😀 \\\"\\\\\\n\\u0001\"}]")
        // A name in chunks, data with the hint that it is base64url as text, maps and the pack without their lengths, "this is CBOR".
        #expect(
            try json(hexadecimal("d9d9f7 9f bf 00 7f 61 61 61 62 ff 08 d5 43 00ff10 ff ff"))
                == #"[{"n":"ab","vd":"AP8Q"}]"#)
    }

    @Test func labelsThatAreNotKnownStay() throws {
        let pack =
            #"[{"n":"a","ct":"60","x":{"y":[1,null,"z",{"é":-0.5}],"w":1e999,"q":[]},"v":1,"e":{},"b":[true,false]}]"#
        #expect(try json(try cbor(pack)) == pack)
        // Twenty-four members: the map's head has two bytes.
        let long = "[{" + (0..<23).map { "\"x\($0)\":\($0)," }.joined() + "\"n\":\"a\",\"v\":1}]"
        #expect(try cbor(long).starts(with: [0x81, 0xB8, 25]))
        #expect(try json(try cbor(long)) == long)
    }

    /// An integer label without a name, a byte string, a key that is a number, undefined, a tag, infinity; the members around them stay.
    @Test(arguments: [
        "0f 01", "2f 01", "61 78 41 00", "61 78 a1 01 02", "61 78 81 f7", "61 78 c1 01", "61 78 82 01 f97c00",
        "61 78 a2 62 6162 81 c48161 61 61 62 02",
    ])
    func whatJSONCannotCarryIsLeftOut(member: String) throws {
        #expect(try json(hexadecimal("81 a4 \(member) 00 61 61 \(member) 02 01")) == #"[{"n":"a","v":1}]"#)
    }

    @Test func theSameFormIsCopied() throws {
        let pack = Array(#" [ {"n":"a", "v":1.0} ] "#.utf8)
        #expect(try convert(pack, .json, .json) == pack)
        #expect(try convert(Self.timedCBOR, .cbor, .cbor) == Self.timedCBOR)
    }

    @Test func refusesWhatTheDecoderRefuses() throws {
        func refusal(_ pack: String, _ from: SenMLFormat, _ to: SenMLFormat) -> SenMLError? {
            do throws(SenMLError) {
                _ = try convert(from == .json ? Array(pack.utf8) : hexadecimal(pack), from, to)
                return nil
            } catch {
                return error
            }
        }
        #expect(refusal("[]", .json, .cbor)?.kind == .emptyPack)
        #expect(refusal("{}", .json, .json)?.kind == .notAnArray)
        #expect(refusal(#"[{"n":"a","v":1},{"n":"a","v":1e999}]"#, .json, .cbor)?.record == 1)
        #expect(refusal(#"[{"n":"a","v":1},{"n":"a","v":1e999}]"#, .json, .cbor)?.kind == .numberOutOfRange(.value))
        #expect(refusal(#"[{"n":"a","x_":1,"v":1}]"#, .json, .cbor)?.kind == .reservedLabel("x_"))
        #expect(refusal("81 a2 00 61 61 02", .cbor, .json)?.kind == .cbor(.truncated))
        #expect(refusal("81 a2 61 6e 61 61 02 01", .cbor, .json)?.kind == .textLabel(.name))
        let records =
            "[" + Array(repeating: #"{"n":"a","v":1}"#, count: Limits.senmlRecords + 1).joined(separator: ",") + "]"
        #expect(refusal(records, .json, .cbor)?.kind == .tooManyRecords)
        let deep =
            #"[{"n":"a","v":1,"x":"# + String(repeating: "[", count: Limits.jsonDepth - 1)
            + String(repeating: "]", count: Limits.jsonDepth - 1) + "}]"
        #expect(refusal(deep, .json, .cbor)?.kind == .json(.tooDeep))
    }

    @Test func aRefusedPackLeavesTheBufferAsItWas() throws {
        var transcoder = SenMLTranscoder()
        var buffer = ByteBuffer(string: "before")
        let pack = Array("[{}]".utf8)
        _ = pack.withUnsafeBytes { bytes in
            #expect(throws: SenMLError.self) { try transcoder.convert(bytes, from: .json, to: .cbor, into: &buffer) }
        }
        #expect(String(buffer: buffer) == "before")
        let valid = Array(#"[{"n":"a","v":1}]"#.utf8)
        try valid.withUnsafeBytes { bytes throws in
            try transcoder.convert(bytes, from: .json, to: .cbor, into: &buffer)
        }
        #expect(Array(buffer.readableBytesView) == Array("before".utf8) + hexadecimal("81 a2 00 61 61 02 01"))
    }

    /// Decimals of every length and exponent, from a fixed seed: the same value after one conversion, the same text after the next.
    @Test func decimalsSurvive() throws {
        var random = SeededRandom(seed: 8428)
        for _ in 0..<20_000 {
            let digits = Int.random(in: 1...19, using: &random)
            var text = String((0..<digits).map { _ in Character("\(Int.random(in: 0...9, using: &random))") })
            text = String(text.drop { $0 == "0" })
            if text.isEmpty { text = "0" }
            if Bool.random(using: &random) { text += ".\(Int.random(in: 0...999, using: &random))" }
            if Bool.random(using: &random) { text += "e\(Int.random(in: -340...280, using: &random))" }
            if Bool.random(using: &random) { text = "-" + text }
            let pack = "[{\"n\":\"a\",\"v\":\(text)}]"
            let converted = try cbor(pack)
            #expect(
                String(describing: try decode(converted, .cbor)) == String(describing: try decode(json: pack)),
                "\(text)")
            #expect(try cbor(try json(converted)) == converted, "\(text)")
        }
    }
}
