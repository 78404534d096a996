// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOHPACK
import TestKit
import Testing

/// A client that opens streams of events over HTTP/2 and then reads nothing at all from its socket.
@Suite struct HTTP2UnreadTests {
    private static let streams = 100
    private static let messages: UInt64 = 100
    /// Without its policy the adapter would keep `streams` times `messages` of these, 200 MB.
    private static let message = #"{"p":"\#(String(repeating: "x", count: 20_000))"}"#
    private static let queueBytes = 64 << 10

    /// The adapter as a program of its own, beside the one in this process: its memory is measured.
    private struct Adapter {
        let process: ServiceProcess
        let port: Int
        private let directory: TemporaryDirectory

        init(_ stack: AdapterStack) async throws {
            directory = try TemporaryDirectory("unread")
            let port = try FreePort.next()
            self.port = port
            process = try ServiceProcess.start(
                "http-adapter",
                arguments: [
                    "--bus-socket", stack.busSocket, "--http-port", "\(port)", "--event-loops", "1",
                    "--live-queue-maximum-bytes", "\(queueBytes)", "--idle-timeout-milliseconds", "300",
                ], log: directory.file("http-adapter.log"))
            try await process.wait("the adapter is healthy") {
                (try? await HTTPClient(port: port).get("/health"))?.status == 200
            }
        }

        func metric(_ line: String) async throws -> Int {
            let text = try await HTTPClient(port: port).get("/metrics").text
            let value = text.split(separator: "\n").first { $0.hasPrefix(line + " ") }?.split(separator: " ").last
            return value.flatMap { Double($0) }.map { Int($0) } ?? 0
        }

        func residentBytes() throws -> Int {
            let text = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
            let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
            return try #require(line.flatMap { Int($0.split(whereSeparator: \.isWhitespace)[1]) }) << 10
        }
    }

    /// - Parameter opensWindows: then it is the kernel's buffer that fills, otherwise HTTP/2's own windows.
    @Test("is cut off stream by stream, then whole; what it would have had is not kept", arguments: [false, true])
    func unread(opensWindows: Bool) async throws {
        try await withAdapter { stack in
            let adapter = try await Adapter(stack)
            let path = stack.path
            let fields: HPACKHeaders = [
                "authorization": "Thing \(stack.things.listener.key)", "accept": "text/event-stream",
            ]
            let unread = try await wire(port: adapter.port, receiveBufferBytes: 4_096) { connection in
                let client = try HTTP2Client(connection)
                if opensWindows { try client.open(window: 1 << 30, 0) }
                for number in 0..<Self.streams {
                    let stream = UInt32(number * 2 + 1)
                    try client.request(stream, path, fields, method: "GET")
                    _ = try client.head(stream)
                    if opensWindows { try client.open(window: 1 << 30, stream) }
                }
                return client
            }
            let (plain, multiplexed) = try await readers(stack, adapter, fields)
            let before = try adapter.residentBytes()
            var most = before
            var mostQueued = 0
            for _ in 0..<Self.messages {
                try await stack.publish(contentType: "application/json", body: Self.message)
                most = max(most, try adapter.residentBytes())
                mostQueued = max(mostQueued, try await adapter.metric("martlet_live_queued_bytes"))
            }
            try await everythingHasCome(plain, multiplexed)
            try await adapter.process.wait("the streams have ended") {
                try await adapter.metric(#"martlet_live_connections{kind="sse"}"#) == 2
            }
            #expect(try await adapter.metric("martlet_live_slow_consumers_total") == Self.streams)
            #expect(try await adapter.metric(#"martlet_live_ended_total{reason="slow-consumer"}"#) == Self.streams)
            // Taken for each: its queue, NIO's 8 KiB, its part of the kernel's buffer, and what was begun: not a fifth of all.
            let taken = try await adapter.metric("martlet_live_delivered_total") - 2 * Int(Self.messages)
            #expect(taken <= Self.streams * Int(Self.messages) / 5)
            #expect(mostQueued <= (Self.streams + 2) * Self.queueBytes)
            #expect(most - before < 64 << 20, "\((most - before) >> 20) MiB more than before")
            // Two readers (one of them a connection and its stream) and the question itself.
            try await adapter.process.wait("the connection has ended") {
                try await adapter.metric("martlet_http_connections") == 4
            }
            try await wire(unread) { _ = $0.readToGoAway() }
        }
    }

    private func readers(
        _ stack: AdapterStack, _ adapter: Adapter, _ fields: HPACKHeaders
    ) async throws -> (EventClient, HTTP2Client) {
        let path = stack.path
        let key = stack.things.listener.key
        let plain = try await wire(adapter.port) { port in
            try EventClient(port: port, path: path, fields: ["Authorization: Thing \(key)"])
        }
        let multiplexed = try await wire(port: adapter.port) { connection in
            let client = try HTTP2Client(connection)
            try client.open(window: 1 << 30, 0)
            try client.request(1, path, fields, method: "GET")
            _ = try client.head(1)
            try client.open(window: 1 << 30, 1)
            return client
        }
        return (plain, multiplexed)
    }

    /// The others have had every message, in order.
    private func everythingHasCome(_ plain: EventClient, _ multiplexed: HTTP2Client) async throws {
        let ids = try await wire(plain) { client in
            try (0..<Self.messages).map { _ in try client.next()?.id }
        }
        #expect(ids == (1...Self.messages).map { "\($0)" })
        let numbers = try await wire(multiplexed) { client in
            var numbers: [String] = []
            var rest: [UInt8] = []
            while true {
                rest += try client.next(1).payload
                while let end = rest.firstIndex(of: 10) {
                    let line = rest[..<end]
                    if line.starts(with: "id: ".utf8) {
                        numbers.append(String(decoding: line.dropFirst(4), as: UTF8.self))
                    }
                    if line.isEmpty, numbers.last == "\(Self.messages)" { return numbers }
                    rest.removeFirst(end + 1)
                }
            }
        }
        #expect(numbers == ["0"] + (1...Self.messages).map { "\($0)" })
    }
}
