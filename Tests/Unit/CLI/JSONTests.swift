// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import MartletCLI

@Suite struct JSONTests {
    @Test(arguments: [
        #"{"b":1,"a":[true,false,null,"x"],"b":2}"#, "[]", "{}", #""\"\\/""#, "0.10", "-0", "1E+400",
        "18446744073709551617",
        #"{"é":"日本 😀"}"#,
    ])
    func comesOutAsItCameIn(text: String) throws {
        let value = try JSONParser.parse(text)
        #expect(value.description == text)
        #expect(try JSONParser.parse(value.indented) == value)
    }

    @Test func escapesAreUnderstoodAndControlCharactersEscaped() throws {
        let value = try JSONParser.parse(#""\u0041\n\t\u00e9\ud83d\ude00\b\/""#)
        #expect(value.text == "A\n\té😀\u{8}/")
        #expect(JSONValue.string("\u{1B}[2J\u{9B}\u{7F}").description == #""\u001b[2J\u009b\u007f""#)
    }

    @Test(arguments: [
        "", " ", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "01", "1.", ".5", "+1", "nul", "\"", "\"\\x\"", "\"\\ud800\"",
        "\"\\ud800\\u0041\"", "\"\u{1}\"", "1 2", "NaN", "'a'", "[1}", "\"\\u12\"",
    ])
    func refusesWhatIsNoJSON(text: String) {
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(text) }
    }

    @Test func refusesBytesThatAreNoUTF8AndNestingWithoutEnd() {
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse([0x22, 0xFF, 0x22]) }
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(deep) }
    }

    @Test func numbersAreWrittenShortAndExact() {
        #expect(JSONValue.double(71.5) == .number("71.5"))
        #expect(JSONValue.double(182_000) == .number("182000"))
        #expect(JSONValue.double(0.1 + 0.2) == .number("0.30000000000000004"))
        #expect(JSONValue.double(.nan) == .null)
        #expect(JSONValue.double(1e300) == .number("1e+300"))
    }
}
