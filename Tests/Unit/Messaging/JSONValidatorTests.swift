// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Testing

@Suite struct JSONValidatorTests {
    private func kind(_ bytes: [UInt8]) -> JSONError.Kind? {
        do throws(JSONError) {
            try JSONValidator.validate(ByteBuffer(bytes: bytes))
            return nil
        } catch {
            return error.kind
        }
    }

    private func kind(_ text: String) -> JSONError.Kind? { kind(Array(text.utf8)) }

    @Test(arguments: [
        "0", "-0", "1", "-1.5e+10", "0.1E-2", "true", "false", "null", "\"\"", "[]", "{}", " [ 1 , 2 ] ",
        "{\"a\":{\"b\":[]}}",
        "\"\\u0000\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"é😀 \u{7F}\"", "\t\r\n 1", "{\"a\":1,\"a\":2}",
        "1e400",
        "\"a string of more than eight bytes, with an é\"",
    ])
    func takes(text: String) { #expect(kind(text) == nil) }

    @Test(arguments: [
        ("", JSONError.Kind.truncated), (" ", .truncated), ("[", .truncated), ("[1", .truncated), ("[1,", .truncated),
        ("{", .truncated), ("{\"a\"", .truncated), ("{\"a\":", .truncated), ("\"a", .truncated), ("\"\\", .truncated),
        ("\"\\u00", .truncated), ("-", .truncated), ("1.", .truncated), ("1e", .truncated), ("tru", .truncated),
        ("[1,]", .unexpectedByte), ("{,}", .unexpectedByte), ("{\"a\":1,}", .unexpectedByte),
        ("{1:2}", .unexpectedByte),
        ("[1 2]", .unexpectedByte), ("+1", .unexpectedByte), ("NaN", .unexpectedByte), ("Infinity", .unexpectedByte),
        ("'a'", .unexpectedByte),
        ("nul1", .unexpectedByte), ("[1}", .unexpectedByte), (".5", .unexpectedByte), ("\u{FEFF}1", .unexpectedByte),
        ("1 1", .trailingContent), ("{}]", .trailingContent), ("[]\u{0}", .trailingContent),
        ("01", .invalidNumber), ("-01", .invalidNumber), ("1.x", .invalidNumber), ("1ex", .invalidNumber),
        ("-x", .invalidNumber),
        ("1.e1", .invalidNumber), ("\"\n\"", .controlCharacter), ("\"\u{0}\"", .controlCharacter),
        ("\"\\x\"", .invalidEscape),
        ("\"\\u00g0\"", .invalidEscape), ("\"\\ud800\"", .loneSurrogate), ("\"\\ud800\\u0041\"", .loneSurrogate),
        ("\"\\udc00\"", .loneSurrogate), ("0x1", .trailingContent),
    ])
    func refuses(text: String, expected: JSONError.Kind) { #expect(kind(text) == expected) }

    @Test(
        arguments: [
            [0xC0, 0x80], [0xC1, 0xBF], [0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xE2, 0x82], [0xC3],
        ] as [[UInt8]])
    func refusesBrokenUTF8(bytes: [UInt8]) {
        #expect(kind([0x22] + bytes + [0x22]) == .invalidUTF8)
        #expect(kind(Array("[\"0123456789 ".utf8) + bytes + Array("\"]".utf8)) == .invalidUTF8)
    }

    @Test func boundsTheDepth() throws {
        let deepest = String(repeating: "[", count: Limits.jsonDepth) + String(repeating: "]", count: Limits.jsonDepth)
        #expect(kind(deepest) == nil)
        #expect(kind("[" + deepest + "]") == .tooDeep)
        #expect(kind(String(repeating: "{\"a\":", count: 1_000_000)) == .tooDeep)
        #expect(throws: JSONError.self) { try JSONValidator.validate(ByteBuffer(string: "[]"), depth: 0) }
    }

    @Test func everyTruncationOfADocumentIsAnError() {
        let text = Array("{\"a\":[1,-2.5e3,true,null,\"\\u00e9é\"],\"b\":{}}".utf8)
        for length in 0..<text.count { #expect(kind(Array(text[..<length])) != nil) }
    }
}
