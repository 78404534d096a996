// SPDX-License-Identifier: Apache-2.0
import NIOHPACK
import TestKit
import Testing

/// What an HTTP/2 client may not do, and that nobody else notices.
@Suite struct HTTP2AbuseTests {
    /// Says something over HTTP/2 until the server ends the connection.
    private func goAway(
        _ stack: AdapterStack, _ body: @escaping @Sendable (HTTP2Client) throws -> Void
    ) async throws -> HTTP2Client.Frame? {
        let frame = try await stack.http2 { client in
            // The server may close while we are still sending.
            do { try body(client) } catch RawConnection.Failure.broken {}
            return client.readToGoAway()
        }
        let answer = try await stack.answer(to: stack.request())
        #expect(answer.status == 202)
        return frame
    }

    @Test("floods end their connection, and only theirs")
    func floods() async throws {
        try await withAdapter { stack in
            let path = stack.path
            let key = stack.things.publisher.key
            // CVE-2023-44487
            _ = try await goAway(stack) { client in
                for number in 0..<1_000 {
                    let stream = UInt32(number * 2 + 1)
                    try client.request(stream, path, ["authorization": "Thing \(key)", "content-type": "text/plain"])
                    try client.send(HTTP2Client.reset, 0, stream, [0, 0, 0, 8])
                }
            }
            #expect(stack.refused("http2-connection") == 1)
            _ = try await goAway(stack) { client in
                for _ in 0..<1_000 { try client.send(HTTP2Client.ping, 0, 0, Array(repeating: 0, count: 8)) }
            }
            #expect(stack.refused("http2-connection") == 2)
            _ = try await goAway(stack) { client in
                for _ in 0..<1_000 { try client.send(HTTP2Client.settings, 0, 0, []) }
            }
            #expect(stack.refused("http2-connection") == 3)
            // Each frame would be legal; the block has no end.
            _ = try await goAway(stack) { client in
                try client.send(HTTP2Client.headers, 0, 1, client.encode([":method": "GET"]))
                for _ in 0..<1_000 { try client.send(HTTP2Client.continuation, 0, 1, [0x40, 1, 97, 1, 98]) }
            }
            #expect(stack.refused("http2-connection") == 4)
            _ = try await goAway(stack) { client in
                try client.request(1, path, ["authorization": "Thing \(key)", "content-type": "a/b"], body: [65])
                try client.request(3, path, ["authorization": "Thing \(key)", "content-type": "a/b"], isOpen: true)
                for _ in 0..<1_000 { try client.send(HTTP2Client.data, 0, 3, []) }
            }
            #expect(stack.refused("http2-connection") == 5)
        }
    }

    @Test("header fields have a size, and a frame is what it says")
    func malformed() async throws {
        try await withAdapter { stack in
            let path = stack.path
            _ = try await goAway(stack) { client in
                try client.request(1, path, ["x": String(repeating: "y", count: 20_000)], method: "GET")
            }
            #expect(stack.refused("http2-connection") == 1)
            _ = try await goAway(stack) { client in try client.connection.send(Array(repeating: 0xFF, count: 64)) }
            #expect(stack.refused("http2-connection") == 2)
            // No index of any table.
            _ = try await goAway(stack) { client in
                try client.send(
                    HTTP2Client.headers, HTTP2Client.endHeaders | HTTP2Client.endStream, 1, [0xFF, 0xFF, 3])
            }
            #expect(stack.refused("http2-connection") == 3)
            _ = try await goAway(stack) { client in try client.send(HTTP2Client.data, 0, 2, [1]) }
            #expect(stack.refused("http2-connection") == 4)
        }
    }

    @Test("silence, a preface that trickles, and what only looks like one")
    func slow() async throws {
        try await withAdapter(["head-timeout-milliseconds": "300", "idle-timeout-milliseconds": "300"]) { stack in
            // Nothing behind the preface; then part of a frame.
            let silent = try await goAway(stack) { _ in }
            #expect(silent?.errorCode == 0)
            let partial = try await goAway(stack) { client in try client.connection.send([0, 0, 10, 1]) }
            #expect(partial?.errorCode == 0)
            // Frames of the connection keep it open no longer.
            let pinging = try await goAway(stack) { client in try client.roundTrip() }
            #expect(pinging?.errorCode == 0)
            let trickled = try await wire(port: stack.port) { connection in
                try connection.sendByteByByte(String(decoding: HTTP2Client.preface.prefix(23), as: UTF8.self))
                return try connection.readResponse().status
            }
            #expect(trickled == 408)
            let truncated = try await wire(port: stack.port) { connection in
                try connection.send("PRI * HT")
                connection.shutDownSending()
                return try connection.readResponse().status
            }
            #expect(truncated == 400)
            let almost = try await stack.answer(to: "PRI * HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(almost.status == 505)
        }
    }

    @Test("a stream counts among the connections that there may be")
    func tooMany() async throws {
        try await withAdapter(["connections-maximum": "4", "event-loops": "1"]) { stack in
            let path = stack.path
            let fields: HPACKHeaders = [
                "authorization": "Thing \(stack.things.listener.key)", "accept": "text/event-stream",
            ]
            let (statuses, reason) = try await stack.http2 { client in
                var statuses: [String?] = []
                for stream in [UInt32(1), 3, 5] {
                    try client.request(stream, path, fields, method: "GET")
                    statuses.append(try client.head(stream).first(name: ":status"))
                }
                try client.request(7, path, fields, method: "GET")
                let refused = try client.response(7)
                return (statuses + [refused.status], refused.text)
            }
            #expect(statuses == ["200", "200", "200", "503"])
            #expect(reason.contains("too-many-connections"))
        }
    }
}
