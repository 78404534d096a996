// SPDX-License-Identifier: Apache-2.0
import Fuzz
import Testing

@testable import Messaging

@Suite struct DecimalNumberTests {
    private func scan(_ text: String) throws -> DecimalNumber {
        var text = text
        return try text.withUTF8 { bytes in
            var cursor = JSONCursor(UnsafeRawBufferPointer(bytes))
            let number = try cursor.scanNumber()
            #expect(cursor.isAtEnd)
            return number
        }
    }

    private func double(_ text: String) throws -> Double { try scan(text).double(text: text) }

    @Test(arguments: [
        "0", "-0", "1", "0.1", "0.2", "0.30000000000000004", "9007199254740993", "9007199254740992.5", "1e22", "1e23",
        "-1e-22", "1e-23",
        "123456789012345678", "1234567890123456789", "12345678901234567890", "18446744073709551615",
        "18446744073709551616",
        "0.000001", "1.7976931348623157e308", "2.2250738585072014e-308", "4.9e-324", "5e-324", "2e-324", "1e400",
        "-1e400",
        "0.1000000000000000055511151231257827021181583404541015625", "9007199254740993.0000000000000000000000000000001",
        "1000000000000000000000000000000000000000000", "0.0000000000000000000000000000000000000000001", "1e-400",
        "6929495644600919.5", "3.518437208883201171875e13", "62.5364939768271845828", "8.10109172351e-10",
        "1.50000000000000011",
    ])
    func readsTheNearestDouble(text: String) throws {
        let expected = try #require(Double(text))
        #expect(try double(text).bitPattern == expected.bitPattern)
    }

    @Test func readsTheNearestDoubleOfRandomText() throws {
        var random = SeededRandom(seed: 20_260_101)
        for _ in 0..<100_000 {
            let mantissa = random.next() >> UInt64.random(in: 0..<64, using: &random)
            let places = Int.random(in: 0...25, using: &random)
            let exponent = Int.random(in: -45...45, using: &random)
            var text = String(mantissa)
            if places > 0 {
                text = String(repeating: "0", count: max(0, places + 1 - text.count)) + text
                text.insert(".", at: text.index(text.endIndex, offsetBy: -places))
            }
            if Bool.random(using: &random) { text += "e\(exponent)" }
            if Bool.random(using: &random) { text = "-" + text }
            let expected = try #require(Double(text))
            #expect(try double(text).bitPattern == expected.bitPattern, "\(text)")
        }
    }

    @Test func readsBackEveryDoublesShortestText() throws {
        var random = SeededRandom(seed: 7)
        for _ in 0..<50_000 {
            let value = Double(bitPattern: random.next())
            guard value.isFinite else { continue }
            #expect(try double(value.description).bitPattern == value.bitPattern)
        }
    }

    @Test(
        arguments: [
            ("0", 0), ("1", 1_000_000_000), ("-1.5", -1_500_000_000), ("1.276020076001e+09", 1_276_020_076_001_000_000),
            ("1320078429", 1_320_078_429_000_000_000), ("0.000000001", 1), ("0.0000000004", 0), ("0.0000000005", 1),
            ("-0.0000000005", -1),
            ("9223372036.854775807", .max), ("-9223372036.854775808", .min), ("1e-30", 0), ("0.1e1", 1_000_000_000),
            ("1700000000.12345678949999", 1_700_000_000_123_456_789),
            ("1700000000.1234567895", 1_700_000_000_123_456_790),
            ("1700000000.000000000000000000000000", 1_700_000_000_000_000_000),
            ("0.00000000000000000000000017e34", 1_700_000_000_000_000_000),
        ] as [(String, Int64)])
    func readsNanosecondsExactly(text: String, expected: Int64) throws {
        #expect(try scan(text).nanounits() == expected)
    }

    @Test(arguments: [
        "9223372036.854775808", "-9223372036.854775809", "1e10", "1e400", "-1e19", "123456789012345678901234567890",
    ])
    func refusesTimesOutOfRange(text: String) throws {
        #expect(try scan(text).nanounits() == nil)
    }

    @Test func readsTheSameTimeFromADouble() {
        #expect(DecimalNumber(shortest: 1_276_020_076.001).nanounits() == 1_276_020_076_001_000_000)
        #expect(DecimalNumber(shortest: -5).nanounits() == -5_000_000_000)
        #expect(DecimalNumber(shortest: 0.1).nanounits() == 100_000_000)
        #expect(DecimalNumber(shortest: 1e300).nanounits() == nil)
        #expect(DecimalNumber(shortest: .leastNonzeroMagnitude).nanounits() == 0)
    }
}
