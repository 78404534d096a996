// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Logging
import Observability
import Synchronization
import Testing

@Suite struct LogTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func append(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    private func logger(_ lines: Lines, format: StructuredLogHandler.Format = .json, level: Logger.Level = .info)
        -> Logger
    {
        Logger(label: "test") { label in
            StructuredLogHandler(
                label: label, service: "things", level: level, format: format,
                output: LogOutput(receive: { lines.append($0) }), clock: WallClock { 1_795_229_351_123_456_789 })
        }
    }

    @Test func aLineIsOneJSONObjectWithTheDeclaredMembers() throws {
        let lines = Lines()
        var logger = logger(lines)
        logger[metadataKey: LogKey.thing] = "t"
        let context = try #require(TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        TraceContext.$current.withValue(context) {
            logger.warning(
                "two\nlines \u{1} \"q\" \\",
                metadata: [LogKey.count: .stringConvertible(3), "list": ["a", ["b": "c"]], "time": "not this"])
        }
        logger.debug("below the level")
        #expect(lines.all.count == 1)
        let line = try #require(lines.all.first)
        #expect(line.hasSuffix("\n") && line.dropLast().allSatisfy { $0 != "\n" })
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["time"] as? String == "2026-11-21T02:49:11.123Z")
        #expect(object["level"] as? String == "warning")
        #expect(object["service"] as? String == "things")
        #expect(object["message"] as? String == "two\nlines \u{1} \"q\" \\")
        #expect(object[LogKey.thing] as? String == "t")
        #expect(object[LogKey.count] as? Int == 3)
        #expect(object[LogKey.traceID] as? String == context.traceID)
        #expect((object["list"] as? [Any])?.count == 2)
    }

    @Test func aLongValueIsCut() throws {
        let lines = Lines()
        logger(lines).info("x", metadata: ["detail": "\(String(repeating: "é", count: 100_000))"])
        #expect(try #require(lines.all.first).utf8.count < StructuredLogHandler.maximumValueBytes + 500)
    }

    @Test func theReadableFormStaysOnOneLine() throws {
        let lines = Lines()
        logger(lines, format: .human).info("a\nb", metadata: ["k": "v\u{1B}[31m"])
        let line = try #require(lines.all.first)
        #expect(line.contains("02:49:11.123") && line.contains("a b") && line.contains("k=v [31m"))
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_399_999_000_000, "2100-02-28T23:59:59.999Z"), (Int64.max, "2262-04-11T23:47:16.854Z"),
            (Int64.min, "1677-09-21T00:12:43.145Z"),
        ] as [(Int64, String)])
    func timesAreWrittenByRFC3339(_ nanoseconds: Int64, _ text: String) {
        #expect(Timestamp.rfc3339(nanoseconds) == text)
    }
}
