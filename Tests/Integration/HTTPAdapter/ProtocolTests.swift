// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import NIOCore
import NIOHTTP1
import Testing

@testable import HTTPAdapter

@Suite("HTTP adapter: pieces of HTTP")
struct ProtocolTests {
    @Test(
        "dates are written as RFC 9110 has them",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ])
    func date(seconds: Int64, text: String) {
        #expect(HTTPDate.text(unixSeconds: seconds) == text)
    }

    @Test("idempotency keys: quoted and bare are the same, and become identifiers of 32 digits")
    func idempotencyKey() throws {
        let quoted = try #require(IdempotencyKey(field: " \"a\\\"b\" "))
        #expect(quoted.value == "a\"b")
        let bare = try #require(IdempotencyKey(field: "8e03978e"))
        #expect(bare == IdempotencyKey(field: "\"8e03978e\""))
        let thing = ThingID(high: 1, low: 2)
        let channel = ChannelID(high: 3, low: 4)
        let identifier = bare.messageID(thing: thing, channel: channel)
        #expect(identifier.utf8.count == 32)
        #expect(identifier == bare.messageID(thing: thing, channel: channel))
        #expect(identifier != bare.messageID(thing: ThingID(high: 1, low: 3), channel: channel))
        #expect(identifier != bare.messageID(thing: thing, channel: ChannelID(high: 3, low: 5)))
        #expect(identifier != quoted.messageID(thing: thing, channel: channel))
    }

    @Test(
        "a trace parent is taken only if it is one",
        arguments: [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false), ("", false), ("00-", false),
        ])
    func traceParent(text: String, isValid: Bool) {
        #expect((TraceParent.validated(text) != nil) == isValid)
    }

    @Test("fields are found in any case; one that may stand once is noticed when it stands twice")
    func fields() {
        var fields = RequestFields(
            HTTPHeaders([
                ("HOST", "a"), ("content-TYPE", "x/y"), ("AuthorizatioN", "k"), ("Content-Length", "12"),
            ]))
        #expect(fields.hasHost)
        #expect(fields.contentType == "x/y")
        #expect(fields.authorization == "k")
        #expect(fields.contentLength == 12)
        #expect(fields.repeated == nil)
        fields = RequestFields(HTTPHeaders([("Authorization", "a"), ("authorization", "b")]))
        #expect(fields.repeated == "Authorization")
    }

    @Test("a problem's text is escaped, whatever the request put into it")
    func problem() {
        let refusal = Refusal(status: 400, reason: "x", "quote \" backslash \\ control \u{1} newline \n ü")
        let text = String(buffer: ResponseComposer.problem(refusal))
        #expect(text.contains(#""detail":"quote \" backslash \\ control \u0001 newline \u000a ü""#))
    }

    @Test("sequence numbers are written in full")
    func sequence() {
        var composer = ResponseComposer(clock: WallClock { 784_111_777_000_000_000 })
        var buffer = ByteBuffer()
        composer.write(
            .accepted(.init(sequence: .max, isDuplicate: true)), closes: false, isHead: false, keepsAlive10: false,
            into: &buffer)
        #expect(
            String(buffer: buffer)
                == "HTTP/1.1 202 Accepted\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n"
                + "Martlet-Sequence: 18446744073709551615\r\nIdempotency-Replayed: true\r\n\r\n")
    }
}
