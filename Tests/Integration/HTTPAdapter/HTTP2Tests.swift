// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore
import NIOHPACK
import TestKit
import Testing

/// HTTP/2 by prior knowledge on the port of HTTP/1.1.
@Suite struct HTTP2Tests {
    /// What curl wrote: version and status first, then the body.
    private func curl(_ stack: AdapterStack, _ arguments: [String]) async throws -> String {
        let directory = try TemporaryDirectory("curl")
        let process = try ServiceProcess(
            program: Executables.system("curl"),
            arguments: ["--http2-prior-knowledge", "-sS", "-w", "\n%{http_version} %{http_code}"] + arguments,
            environment: [:], log: directory.file("curl.log"))
        #expect(try await process.waitForExit() == .exited(0), "\(process.log)")
        return process.log
    }

    @Test("curl publishes, and is refused with a problem")
    func curlPublishes() async throws {
        try await withAdapter { stack in
            let address = "http://127.0.0.1:\(stack.port)"
            let key = "Authorization: Thing \(stack.things.publisher.key)"
            let senml = "Content-Type: application/senml+json"
            let one = try await curl(
                stack, ["-H", key, "-H", senml, "-d", #"[{"n":"t","v":1}]"#, address + stack.path + "/a/b"])
            #expect(one == "\n2 202")
            let batch = try await curl(
                stack,
                ["-H", key, "-H", "Content-Type: application/x-ndjson", "-H", "Idempotency-Key: \"b\"", "-i"]
                    + ["--data-binary", "{\"a\":1}\n[{\"n\":\"t\",\"v\":2}]\n", address + stack.path])
            #expect(batch.contains("martlet-sequence: 2"))
            #expect(batch.contains("martlet-last-sequence: 3"))
            #expect(batch.contains("martlet-messages: 2"))
            let unknown = try await curl(
                stack, ["-H", "Authorization: Thing nobody", "-H", senml, "-d", "[]", address + stack.path])
            #expect(unknown.contains(#""reason":"unknown-key""#))
            #expect(unknown.hasSuffix("\n2 401"))
            let broken = try await curl(stack, ["-H", key, "-H", senml, "-d", "[{]", address + stack.path])
            #expect(broken.hasSuffix("\n2 400"))
            let health = try await curl(stack, [address + "/health"])
            #expect(health.hasSuffix("\n2 200"))
            let head = try await curl(stack, ["-I", address + "/openapi.json"])
            #expect(head.contains("content-type: application/json"))
            #expect(head.hasSuffix("\n2 200"))
            let stored = try await stack.stored()
            #expect(stored.map(\.message.subtopic) == ["a.b", "", ""])
        }
    }

    @Test("the same limits as on HTTP/1.1: size, whether announced or not, and time")
    func limits() async throws {
        try await withAdapter(["payload-maximum-bytes": "60000", "body-timeout-milliseconds": "300"]) { stack in
            let path = stack.path
            let fields: HPACKHeaders = [
                "authorization": "Thing \(stack.things.publisher.key)", "content-type": "text/plain",
            ]
            let (announced, grown, slow, good) = try await stack.http2 { client in
                var large = fields
                large.add(name: "content-length", value: "60001")
                try client.request(1, path, large, isOpen: true)
                let announced = try client.response(1)
                try client.request(3, path, fields, body: Array(repeating: 65, count: 60_001))
                let grown = try client.response(3)
                try client.request(5, path, fields, isOpen: true)
                try client.send(HTTP2Client.data, 0, 5, [65])
                let slow = try client.response(5)
                // The connection goes on.
                try client.request(7, path, fields, body: Array(repeating: 65, count: 60_000))
                return (announced, grown, slow, try client.response(7))
            }
            #expect(announced.status == "413")
            #expect(grown.status == "413")
            #expect(grown.text.contains("payload-too-large"))
            #expect(slow.status == "408")
            #expect(slow.text.contains("request-too-slow"))
            #expect(good.status == "202")
            #expect(try await stack.stored().map { $0.message.payload.readableBytes } == [60_000])
        }
    }

    @Test("requests of one connection are answered each by itself, and none is lost")
    func multiplexed() async throws {
        try await withAdapter { stack in
            let path = stack.path
            let fields: HPACKHeaders = [
                "authorization": "Thing \(stack.things.publisher.key)", "content-type": "text/plain",
            ]
            let statuses = try await stack.http2 { client in
                for number in 0..<100 {
                    try client.request(UInt32(number * 2 + 1), path, fields, body: Array("\(number)".utf8))
                }
                return try (0..<100).map { try client.response(UInt32($0 * 2 + 1)).status }
            }
            #expect(statuses == Array(repeating: "202", count: 100))
            let bodies = try await stack.stored().map { String(buffer: $0.message.payload) }
            #expect(Set(bodies) == Set((0..<100).map { "\($0)" }))
        }
    }

    @Test("many streams of events on one connection; one that is not read is cut off, and the others have everything")
    func eventStreams() async throws {
        try await withAdapter(["live-queue-maximum-bytes": "65536"]) { stack in
            let path = stack.path
            let fields: HPACKHeaders = [
                "authorization": "Thing \(stack.things.listener.key)", "accept": "text/event-stream",
            ]
            let client = try await stack.http2 { client in
                try client.open(window: 1 << 30, 0)
                for stream in [UInt32(1), 3, 5] {
                    try client.request(stream, path, fields, method: "GET")
                    let head = try client.head(stream)
                    guard head.first(name: ":status") == "200", head.first(name: "connection") == nil else {
                        throw RawConnection.Failure.endedBefore("200", received: "\(head)")
                    }
                }
                // The first has the window of 65,535 bytes that it began with.
                for stream in [UInt32(3), 5] { try client.open(window: 1 << 30, stream) }
                return client
            }
            let body = String(repeating: "x", count: 20_000)
            var count = 0
            while stack.slowConsumers == 0, count < 100 {
                try await stack.publish(body: body)
                count += 1
            }
            #expect(stack.slowConsumers == 1)
            let total = count
            try await wire(client) { client in
                for stream in [UInt32(3), 5] {
                    var text = ""
                    while !text.contains("id: \(total)\n") || !text.hasSuffix("\n\n") {
                        text += String(decoding: try client.next(stream).payload, as: UTF8.self)
                    }
                    for number in 1...total where !text.contains("id: \(number)\ndata: ") {
                        throw RawConnection.Failure.endedBefore("message \(number)", received: "")
                    }
                }
                // It reads on, and learns why it ends.
                try client.open(window: 1 << 20, 1)
                let cut = try client.response(1)
                guard cut.text.contains("slow-consumer") else {
                    throw RawConnection.Failure.endedBefore("slow-consumer", received: String(cut.text.suffix(200)))
                }
            }
        }
    }

    @Test("the server's end is told to every stream and to the connection")
    func shutdown() async throws {
        try await withAdapter { stack in
            let path = stack.path
            let fields: HPACKHeaders = [
                "authorization": "Thing \(stack.things.listener.key)", "accept": "text/event-stream",
            ]
            let client = try await stack.http2 { client in
                try client.request(1, path, fields, method: "GET")
                _ = try client.head(1)
                return client
            }
            stack.stop()
            let (text, goAway) = try await wire(client) { client in
                var text = ""
                while true {
                    let frame = try client.next(1)
                    text += String(decoding: frame.payload, as: UTF8.self)
                    if frame.flags & HTTP2Client.endStream != 0 { return (text, client.readToGoAway()) }
                }
            }
            #expect(text.contains("shutting-down"))
            #expect(goAway?.errorCode == 0)
        }
    }
}
