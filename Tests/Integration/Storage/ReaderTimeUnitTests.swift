// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ReaderPostgres

@Suite struct ReaderTimeUnitTests {
    @Test(
        arguments: [
            ("0", 0), ("1", 1_000_000_000), ("-1.5", -1_500_000_000), ("+2", 2_000_000_000), (".5", 500_000_000),
            ("1700000000.123456789", 1_700_000_000_123_456_789), ("1700000000.1234567899", 1_700_000_000_123_456_789),
            ("1.7e9", 1_700_000_000_000_000_000), ("5e-3", 5_000_000), ("1E-9", 1), ("1e-10", 0), ("1e30", .max),
            ("-1e30", .min), ("9223372036.854775807", .max), ("9223372036.854775808", .max),
        ] as [(String, Int64)])
    func decimalSecondsAreReadExactly(text: String, nanoseconds: Int64) {
        #expect(TimeUnit.seconds.nanoseconds(text) == nanoseconds)
    }

    @Test(
        arguments: [
            (.milliseconds, "1700000000123.456789", 1_700_000_000_123_456_789),
            (.milliseconds, "1.7e12", 1_700_000_000_000_000_000),
            (.microseconds, "-0.001", -1), (.microseconds, "1700000000123456.7899", 1_700_000_000_123_456_789),
            (.nanoseconds, "1700000000123456789", 1_700_000_000_123_456_789), (.nanoseconds, "1.9", 1),
            (.nanoseconds, "9223372036854775808", .max), (.nanoseconds, "-9223372036854775808", .min),
        ] as [(TimeUnit, String, Int64)])
    func otherUnitsAreReadExactly(unit: TimeUnit, text: String, nanoseconds: Int64) {
        #expect(unit.nanoseconds(text) == nanoseconds)
    }

    @Test(arguments: [
        "", "-", ".", "1.2.3", "0x10", "nan", "inf", "1e", "1e999", "12abc", " 1", "1 ", "１", "--1",
        String(repeating: "1", count: 65),
    ])
    func whatIsNoNumberIsRefused(text: String) {
        for unit in TimeUnit.allCases { #expect(unit.nanoseconds(text) == nil) }
    }

    @Test func whatIsWrittenIsReadBack() {
        var generator = SystemRandomNumberGenerator()
        let random = (0..<10_000).map { _ in Int64.random(in: .min ... .max, using: &generator) }
        for nanoseconds in [0, 1, -1, .max, .min, 1_000_000_000, 1_500_000_000] + random {
            for unit in TimeUnit.allCases {
                var bytes: [UInt8] = []
                unit.write(nanoseconds, to: &bytes)
                let text = String(decoding: bytes, as: UTF8.self)
                #expect(unit.nanoseconds(text) == nanoseconds, "\(text)")
                #expect(Double(text) != nil)
            }
        }
    }
}
