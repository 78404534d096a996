// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import MartletCLI

@Suite struct ServerSentEventTests {
    private func parse(_ text: String) throws -> [ServerSentEvent] {
        var parser = ServerSentEventParser()
        return try parser.parse(text.utf8)
    }

    private func event(_ data: String, _ name: String = "message", id: String = "") -> ServerSentEvent {
        ServerSentEvent(name: name, data: data, lastIdentifier: id)
    }

    /// The standard's own examples (WHATWG HTML section 9.2.6).
    @Test func examplesOfTheStandard() throws {
        #expect(
            try parse("data: YHOO\ndata: +2\ndata: 10\n\n") == [event("YHOO\n+2\n10")])
        #expect(
            try parse(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n")
                == [event("first event", id: "1"), event("second event"), event(" third event")])
        // The last block has no blank line behind it, so it is none.
        #expect(try parse("data\n\ndata\ndata\n\ndata:") == [event(""), event("\n")])
        #expect(try parse("data:test\n\ndata: test\n\n") == [event("test"), event("test")])
    }

    @Test func linesEndInThreeWays() throws {
        let expected = [event("a\nb", "tick", id: "7"), event("c", id: "7")]
        for end in ["\n", "\r", "\r\n"] {
            let text = ["event: tick", "id: 7", "data: a", "data: b", "", "data: c", "", ""].joined(separator: end)
            #expect(try parse(text) == expected, "\(end.debugDescription)")
        }
    }

    @Test func cutsAnywhereMakeNoDifference() throws {
        let bytes = Array(
            "\u{FEFF}retry: 2000\r\nid: 41\r\n\r\n:\r\nid: 42\r\ndata: {\"a\":\"é😀\"}\r\n\r\nevent:gap\rdata:x\r\r".utf8
        )
        let expected = [event("{\"a\":\"é😀\"}", id: "42"), event("x", "gap", id: "42")]
        for cut in 0...bytes.count {
            var parser = ServerSentEventParser()
            let events = try parser.parse(bytes[..<cut]) + parser.parse(bytes[cut...])
            #expect(events == expected, "cut at \(cut)")
            #expect(parser.retryMilliseconds == 2000)
            #expect(parser.lastIdentifier == "42")
        }
        var single = ServerSentEventParser()
        #expect(try bytes.flatMap { try single.parse([$0]) } == expected)
    }

    @Test func fieldsThatMeanNothingAreIgnored() throws {
        var parser = ServerSentEventParser(lastIdentifier: "5")
        let text =
            "retry: soon\nretry:\nid: a\u{0}b\nunknown: 1\nDATA: no\nevent: e\ndata: d\n\nevent: alone\n\nid: 9\n\ndata: f\n\n"
        #expect(try parser.parse(text.utf8) == [event("d", "e", id: "5"), event("f", id: "9")])
        #expect(parser.retryMilliseconds == nil)
    }

    /// An identifier counts once its block has ended: what was cut off must come again.
    @Test func identifierOfAnUnfinishedEventIsNotResumedFrom() throws {
        var parser = ServerSentEventParser()
        _ = try parser.parse("id: 1\ndata: a\n\nid: 2\ndata: b\n".utf8)
        #expect(parser.lastIdentifier == "1")
    }

    @Test func lineWithoutEndIsRefused() {
        var parser = ServerSentEventParser()
        #expect(throws: ServerSentEventParser.TooLong.self) {
            for _ in 0...ServerSentEventParser.maximumBytes / 65_536 {
                _ = try parser.parse([UInt8](repeating: 0x61, count: 65_536))
            }
        }
        var lines = ServerSentEventParser()
        #expect(throws: ServerSentEventParser.TooLong.self) {
            for _ in 0...ServerSentEventParser.maximumBytes / 1_000 {
                _ = try lines.parse("data: \(String(repeating: "a", count: 1_000))\n".utf8)
            }
        }
    }
}
