// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Testing

/// The rules of RFC 8428 section 4, each kept and broken, in JSON.
@Suite struct SenMLRulesTests {
    // MARK: Base fields

    @Test func baseFieldsHoldUntilTheyComeAgain() throws {
        let pack = try decode(
            json: """
                [{"bn":"a","bt":1000000000,"bu":"A","bv":10,"bs":100,"n":"1","v":1,"s":1},
                 {"n":"2","v":2,"u":"V","t":1},
                 {"bn":"b","n":"3","v":3},
                 {"bt":1000000002,"bu":"W","bv":20,"bs":200,"n":"4","v":4}]
                """)
        #expect(pack.map(\.name) == ["a1", "b3", "a2", "b4"])
        #expect(pack.map(\.time) == [0, 0, 1, 2].map { (1_000_000_000 + $0) * second })
        #expect(pack.map(\.unit) == ["A", "A", "V", "W"])
        #expect(pack.map(\.value) == [.number(11), .number(13), .number(12), .number(24)])
        #expect(pack.map(\.sum) == [101, 100, 100, 200])
    }

    @Test func baseFieldsCanBeTakenBack() throws {
        let pack = try decode(
            json: """
                [{"bn":"a","bt":1000000000,"bu":"A","bv":10,"bs":100,"n":"1","v":1},
                 {"bn":"","bt":0,"bu":"","bv":0,"bs":0,"n":"2","v":1}]
                """)
        #expect(
            pack[0]
                == SenMLMeasurement(name: "a1", unit: "A", time: 1_000_000_000 * second, value: .number(11), sum: 100))
        #expect(pack[1] == SenMLMeasurement(name: "2", time: receivedAt, value: .number(1), sum: 0))
    }

    @Test func theirPlaceInTheRecordDoesNotMatter() throws {
        let pack = try decode(json: #"[{"v":1,"n":"x","t":5,"bv":2,"bt":1000000000,"bn":"a"}]"#)
        #expect(pack == [SenMLMeasurement(name: "ax", time: 1_000_000_005 * second, value: .number(3))])
    }

    @Test func aBaseValueAloneIsAValue() throws {
        let pack = try decode(
            json: #"[{"bn":"a","bv":5},{"n":"1"},{"n":"2","vs":"x"},{"n":"3","vb":true},{"n":"4","s":2}]"#)
        #expect(pack.map(\.value) == [.number(5), .text("x"), .boolean(true), .number(5)])
    }

    @Test func sumsCountTheMissingPartAsZero() throws {
        let pack = try decode(
            json: #"[{"bn":"a","s":3,"n":"0"},{"bs":5,"n":"1"},{"n":"2","s":1.5},{"n":"3","vs":"x"}]"#)
        #expect(pack.map(\.sum) == [3, 5, 6.5, 5])
        #expect(pack.map(\.value) == [nil, nil, nil, .text("x")])
    }

    @Test func recordsOfBaseFieldsMakeNoMeasurement() throws {
        #expect(try decode(json: #"[{"bn":"a","bt":1,"bu":"x","bv":1,"bs":1,"bver":10}]"#) == [])
        #expect(refusal(json: "[{}]")?.kind == .missingValue)
        #expect(refusal(json: #"[{"x":1}]"#)?.kind == .missingValue)
    }

    // MARK: Names

    @Test(arguments: [
        "a", "Z9", "0", "urn:dev:mac:0024befffe804ff1", "a-:./_Z", String(repeating: "a", count: Limits.nameBytes),
    ])
    func takesNames(name: String) throws {
        #expect(try decode(json: "[{\"n\":\"\(name)\",\"v\":1}]").map(\.name) == [name])
        let (first, rest) = (name.prefix(1), name.dropFirst())
        #expect(try decode(json: "[{\"bn\":\"\(first)\",\"n\":\"\(rest)\",\"v\":1}]").map(\.name) == [name])
        #expect(try decode(json: "[{\"bn\":\"\(name)\",\"v\":1}]").map(\.name) == [name])
    }

    private static let nameFaults: [(String, SenMLError.Kind)] = [
        (#""n":"""#, SenMLError.Kind.missingName), (#""u":"x""#, .missingName), (#""bn":"","n":"""#, .missingName),
        (#""n":"a b""#, .nameCharacter), (#""n":"é""#, .nameCharacter), (#""n":"a\u0000""#, .nameCharacter),
        (#""n":"a%""#, .nameCharacter),
        (#""bn":"a b","n":"c""#, .nameCharacter), (#""n":"_a""#, .nameStart), (#""n":":a""#, .nameStart),
        (#""bn":"-","n":"a""#, .nameStart),
        (#""n":"\u002fa""#, .nameStart),
    ]

    @Test(arguments: nameFaults)
    func refusesNames(fields: String, expected: SenMLError.Kind) {
        #expect(refusal(json: "[{\(fields),\"v\":1}]")?.kind == expected)
    }

    @Test func refusesLongNames() {
        let half = String(repeating: "a", count: Limits.nameBytes / 2)
        #expect(refusal(json: "[{\"bn\":\"\(half)\",\"n\":\"\(half)\",\"v\":1}]") == nil)
        #expect(refusal(json: "[{\"bn\":\"\(half)\",\"n\":\"\(half)a\",\"v\":1}]")?.kind == .nameTooLong)
    }

    @Test func aNameMayBeginAnywhereInTheBaseName() throws {
        #expect(try decode(json: #"[{"bn":"a:","n":"/_-","v":1}]"#).map(\.name) == ["a:/_-"])
        #expect(try decode(json: #"[{"n":"\u0061\/b","v":1}]"#).map(\.name) == ["a/b"])
    }

    // MARK: Time

    private static let times: [(String, Int64)] = [
        ("", receivedAt), (#""t":0,"#, receivedAt), (#""t":-5,"#, receivedAt - 5 * second),
        (#""t":5.25,"#, receivedAt + 5_250_000_000),
        (#""t":268435455.999999999,"#, receivedAt + 268_435_455_999_999_999),
        (#""t":268435456,"#, 268_435_456 * second),
        (#""bt":268435450,"t":6,"#, 268_435_456 * second),
        (#""bt":268435456,"t":-1,"#, receivedAt + 268_435_455 * second),
        (#""bt":1700000000.000000001,"t":0.000000002,"#, 1_700_000_000_000_000_003),
        (#""bt":9223372036.854775807,"#, Int64.max), (#""t":-1767225600,"#, 0),
    ]

    @Test(arguments: times)
    func resolvesTimes(fields: String, expected: Int64) throws {
        #expect(try decode(json: "[{\(fields)\"n\":\"a\",\"v\":1}]").map(\.time) == [expected])
    }

    @Test(arguments: [
        #""t":9223372036.854775808,"#, #""t":1e300,"#, #""bt":9223372036,"t":1,"#, #""bt":-9223372036,"t":-1,"#,
        #""t":-1e10,"#,
        #""ut":1e11,"#, #""t":1e400,"#,
    ])
    func refusesTimesOutOfRange(fields: String) {
        let error = refusal(json: "[{\(fields)\"n\":\"a\",\"v\":1}]")
        #expect(error?.reason == "senml-time-out-of-range")
    }

    @Test func relativeTimesMayNotLeaveTheRange() {
        var decoder = SenMLDecoder()
        var batch = SenMLBatch()
        let pack = ByteBuffer(string: #"[{"n":"a","v":1,"t":1}]"#)
        #expect(throws: SenMLError.self) { try decoder.decode(pack, format: .json, receivedAt: .max, into: &batch) }
    }

    @Test func updateTimeIsNotInherited() throws {
        let pack = try decode(json: #"[{"n":"a","v":1,"ut":1.5},{"n":"b","v":1}]"#)
        #expect(pack.map(\.updateTime) == [1_500_000_000, nil])
    }

    @Test func sortsByTimeAndKeepsThePacksOrderOtherwise() throws {
        let pack = try decode(
            json:
                #"[{"n":"a","v":1,"t":3},{"n":"b","v":1,"t":1},{"n":"c","v":1,"t":3},{"n":"d","v":1,"t":1},{"n":"e","v":1,"t":2}]"#
        )
        #expect(pack.map(\.name) == ["b", "d", "e", "a", "c"])
    }

    @Test func rememberTheRecordsIndex() throws {
        var decoder = SenMLDecoder()
        var batch = SenMLBatch()
        let pack = ByteBuffer(string: #"[{"bn":"x"},{"n":"a","v":1,"t":3},{"n":"b","v":1,"t":1}]"#)
        #expect(try decoder.decode(pack, format: .json, receivedAt: 0, into: &batch) == 0..<2)
        #expect(batch.records.map(\.index) == [2, 1])
        #expect(try decoder.decode(pack, format: .json, receivedAt: 0, into: &batch) == 2..<4)
        #expect(batch.records.map(\.index) == [2, 1, 2, 1])
        #expect(batch.measurements.map(\.name) == ["xb", "xa", "xb", "xa"])
    }

    @Test func aRefusedPackLeavesTheBatchAsItWas() throws {
        var decoder = SenMLDecoder()
        var batch = SenMLBatch()
        let good = ByteBuffer(string: #"[{"n":"a","u":"x","vs":"text"}]"#)
        let bad = ByteBuffer(string: #"[{"n":"b","vs":"more"},{"n":"c"}]"#)
        try decoder.decode(good, format: .json, receivedAt: 0, into: &batch)
        let before = batch.measurements
        let bytes = batch.bytes
        #expect(throws: SenMLError.self) { try decoder.decode(bad, format: .json, receivedAt: 0, into: &batch) }
        #expect(batch.measurements == before)
        #expect(batch.bytes == bytes)
    }

    // MARK: Values

    private static let faults: [(String, SenMLError.Kind)] = [
        (#""v":1,"vs":"x""#, SenMLError.Kind.severalValues), (#""vb":true,"vd":"AA""#, .severalValues),
        (#""u":"x""#, .missingValue),
        (#""v":"1""#, .wrongType(.value)), (#""v":null"#, .wrongType(.value)), (#""v":true"#, .wrongType(.value)),
        (#""vs":1"#, .wrongType(.stringValue)), (#""vb":"true""#, .wrongType(.booleanValue)),
        (#""vb":1"#, .wrongType(.booleanValue)),
        (#""vd":1"#, .wrongType(.dataValue)), (#""v":1,"u":1"#, .wrongType(.unit)),
        (#""v":1,"t":"1""#, .wrongType(.time)),
        (#""v":1,"bn":[]"#, .wrongType(.baseName)), (#""v":{}"#, .wrongType(.value)),
        (#""v":NaN"#, .numberOutOfRange(.value)), (#""v":Infinity"#, .numberOutOfRange(.value)),
        (#""v":1e309"#, .numberOutOfRange(.value)),
        (#""v":-1e309"#, .numberOutOfRange(.value)), (#""s":1e999"#, .numberOutOfRange(.sum)),
        (#""bv":1.7e308,"v":1.7e308"#, .numberOutOfRange(.value)),
        (#""bs":-1.7e308,"s":-1.7e308"#, .numberOutOfRange(.sum)),
        (#""v":-Infinity"#, .json(.invalidNumber)), (#""v":01"#, .json(.invalidNumber)),
        (#""v":+1"#, .json(.unexpectedByte)),
        (#""v":1,"v":1"#, .duplicateLabel(.value)), (#""v":1,"\u0076":1"#, .duplicateLabel(.value)),
        (#""bn":"x","bn":"x""#, .duplicateLabel(.baseName)),
        (#""vd":"AA==""#, .invalidBase64), (#""vd":"A""#, .invalidBase64), (#""vd":"+/8""#, .invalidBase64),
        (#""vd":"AB""#, .invalidBase64),
        (#""vd":"A\u0041""#, .invalidBase64),
    ]

    @Test(arguments: faults)
    func refusesValues(fields: String, expected: SenMLError.Kind) {
        #expect(refusal(json: "[{\"n\":\"a\",\(fields)}]")?.kind == expected)
    }

    private static let numbers: [(String, Double)] = [
        ("0", 0.0), ("-0", -0.0), ("1E5", 1e5), ("9007199254740993", 9_007_199_254_740_992),
        ("1.7976931348623157e308", Double.greatestFiniteMagnitude),
        ("5e-324", Double.leastNonzeroMagnitude), ("0.1", 0.1), ("1e-400", 0),
    ]

    @Test(arguments: numbers)
    func takesNumbers(text: String, expected: Double) throws {
        guard case .number(let value)? = try decode(json: "[{\"n\":\"a\",\"v\":\(text)}]").first?.value else {
            Issue.record("no number")
            return
        }
        #expect(value.bitPattern == expected.bitPattern)
    }

    @Test func takesTextAndData() throws {
        let pack = try decode(
            json:
                #"[{"n":"a","vs":"\u00e9\ud83d\ude00\"\\\/\n\u0000é"},{"n":"b","vs":""},{"n":"c","vd":""},{"n":"d","vd":"_-8"}]"#
        )
        #expect(pack.map(\.value) == [.text("é😀\"\\/\n\u{0}é"), .text(""), .data([]), .data([0xFF, 0xEF])])
    }

    // MARK: Labels and versions

    @Test func ignoresLabelsItDoesNotKnow() throws {
        let pack = try decode(
            json: #"[{"n":"a","x":{"y_":[1,{"z":"]}"}]},"_x":1,"V":2,"bvers":3,"x":null,"v":1,"":0}]"#)
        #expect(pack.map(\.value) == [.number(1)])
    }

    @Test(arguments: ["foo_", "_", "v_", "\\u005f"])
    func refusesReservedLabels(label: String) {
        let error = refusal(json: "[{\"n\":\"a\",\"v\":1},{\"n\":\"a\",\"v\":1,\"\(label)\":1}]")
        #expect(error?.reason == "senml-reserved-label")
        #expect(error?.record == 1)
    }

    @Test func saysWhichRecordAndWhichLabel() {
        let error = refusal(json: #"[{"bn":"x"},{"n":"a","v":1},{"n":"a","v":1},{"n":"a","v":1,"foo_":1}]"#)
        #expect(error?.kind == .reservedLabel("foo_"))
        #expect(error?.message.hasPrefix("record 3: the label 'foo_' must be understood") == true)
    }

    @Test(arguments: ["1", "5", "9", "10", "10.0", "1e1"])
    func takesVersions(version: String) throws {
        #expect(try decode(json: "[{\"bver\":\(version),\"n\":\"a\",\"v\":1}]").count == 1)
    }

    @Test(arguments: ["11", "0", "-1", "10.5", "1e30", "26", "10.00000000000000000000001"])
    func refusesVersions(version: String) {
        #expect(refusal(json: "[{\"bver\":\(version),\"n\":\"a\",\"v\":1}]")?.kind == .unsupportedVersion)
    }

    @Test func aPackHasOneVersion() {
        #expect(refusal(json: #"[{"bver":5,"n":"a","v":1},{"bver":5,"n":"a","v":1}]"#) == nil)
        #expect(refusal(json: #"[{"n":"a","v":1},{"bver":10,"n":"a","v":1}]"#) == nil)
        #expect(refusal(json: #"[{"n":"a","v":1},{"bver":5,"n":"a","v":1}]"#)?.kind == .versionConflict)
        #expect(refusal(json: #"[{"bver":5,"n":"a","v":1},{"bver":10,"n":"a","v":1}]"#)?.kind == .versionConflict)
    }

    // MARK: Shape

    private static let shapes: [(String, SenMLError.Kind)] = [
        ("", SenMLError.Kind.json(.truncated)), ("{}", .notAnArray), (#"{"n":"a","v":1}"#, .notAnArray),
        ("1", .notAnArray), ("x", .json(.unexpectedByte)),
        ("[]", .emptyPack), ("[ ]", .emptyPack), ("[1]", .notARecord), ("[null]", .notARecord), ("[[]]", .notARecord),
        (#"[{"n":"a","v":1},]"#, .json(.unexpectedByte)), (#"[{"n":"a","v":1}] x"#, .json(.trailingContent)),
        (#"[{"n":"a","v":1}"#, .json(.truncated)), (#"[{"n":"a","v":1 "u":"x"}]"#, .json(.unexpectedByte)),
        (#"[{"n":"a","v":1,}]"#, .json(.unexpectedByte)), (#"[{"n":"a\ud800","v":1}]"#, .json(.loneSurrogate)),
        ("[{\"n\":\"a\",\"vs\":\"\u{1}\"}]", .json(.controlCharacter)),
        (#"[{"n":"a","vs":"\x"}]"#, .json(.invalidEscape)),
    ]

    @Test(arguments: shapes)
    func refusesShapes(text: String, expected: SenMLError.Kind) {
        #expect(refusal(json: text)?.kind == expected)
    }

    @Test func boundsRecordsAndDepth() {
        func pack(_ count: Int) -> String {
            "[" + Array(repeating: #"{"n":"a","v":1}"#, count: count).joined(separator: ",") + "]"
        }
        #expect(refusal(json: pack(Limits.senmlRecords)) == nil)
        let error = refusal(json: pack(Limits.senmlRecords + 1))
        #expect(error?.kind == .tooManyRecords)
        #expect(error?.record == Limits.senmlRecords)
        let depth = Limits.jsonDepth - 2
        let nested = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        #expect(refusal(json: "[{\"n\":\"a\",\"v\":1,\"x\":\(nested)}]") == nil)
        #expect(refusal(json: "[{\"n\":\"a\",\"v\":1,\"x\":[\(nested)]}]")?.kind == .json(.tooDeep))
    }
}
