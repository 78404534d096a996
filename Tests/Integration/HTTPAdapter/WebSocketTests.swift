// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore
import TestKit
import Testing

@Suite("HTTP adapter: WebSocket")
struct WebSocketTests {
    private static let envelope = "martlet.v1+json"

    @Test("the handshake of RFC 6455 section 1.3, and payloads as frames of their kind")
    func bare() async throws {
        try await withAdapter { stack in
            let client = try await stack.webSocket(key: stack.things.listener.key)
            #expect(client.response.status == 101)
            #expect(client.response.fields["upgrade"] == "websocket")
            #expect(client.response.fields["connection"] == "Upgrade")
            #expect(client.response.fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            #expect(client.response.fields["sec-websocket-protocol"] == nil)
            try await stack.publish(contentType: "application/json", body: "{\"a\": 1}")
            try await stack.publish(contentType: "application/octet-stream", body: "{}")
            try await stack.publish(contentType: "text/plain", body: "grün")
            try await stack.publish(contentType: "text/plain", body: String(repeating: "x", count: 100_000))
            let frames = try await wire(client) { client in try (0..<4).map { _ in try client.receive() } }
            #expect(frames.map(\.opcode) == [1, 2, 1, 1])
            #expect(frames[0].text == "{\"a\": 1}")
            #expect(frames[2].text == "grün")
            #expect(frames[3].payload.count == 100_000)
        }
    }

    @Test("documents with numbers, and acknowledgements, in the JSON subprotocol")
    func documents() async throws {
        try await withAdapter { stack in
            let client = try await stack.webSocket(stack.path + "/line/1", subprotocol: "x, \(Self.envelope)")
            #expect(client.response.fields["sec-websocket-protocol"] == Self.envelope)
            let open = try await wire(client) { try $0.receive() }
            #expect(open.text == #"{"type":"open","sequence":0,"publish":true,"subscribe":true}"#)

            try await wire(client) { try $0.send(#"{"id":"a","payload":[{"n":"t","v":21.50}]}"#) }
            let own = try await frames(2, of: client)
            let accepted = try #require(own.first { $0.member("type") == "accepted" })
            #expect(accepted.text == #"{"type":"accepted","id":"a","sequence":1}"#)
            let message = try #require(own.first { $0.member("type") == "message" })
            #expect(message.member("subtopic") == "line.1")
            #expect(message.member("protocol") == "ws")
            #expect(message.text.hasSuffix(#""payload":[{"n":"t","v":21.50}]}"#))

            let stored = try await stack.stored()
            #expect(stored.count == 1)
            #expect(stored[0].message.transport == .webSocket)
            #expect(stored[0].message.contentType == .senmlJSON)
            #expect(stored[0].message.publisher == stack.things.publisher.id)
            #expect(String(buffer: stored[0].message.payload) == #"[{"n":"t","v":21.50}]"#)
        }
    }

    @Test("members of a command: subtopic, content type, base64, idempotency")
    func commands() async throws {
        try await withAdapter { stack in
            let client = try await stack.webSocket(
                stack.path + "/+", key: stack.things.sender.key, subprotocol: Self.envelope)
            #expect(
                try await wire(client) { try $0.receive().text } == #"{"type":"open","publish":true,"subscribe":false}"#
            )
            let command =
                #"{"id":7,"subtopic":"a/b","content_type":"text/csv","idempotency_key":"k","payload_base64":"MSwy"}"#
            let first = try await exchange(command, client)
            #expect(first.text == #"{"type":"accepted","id":7,"sequence":1}"#)
            let again = try await exchange(command, client)
            #expect(again.text == #"{"type":"accepted","id":7,"sequence":1,"replayed":true}"#)
            let stored = try await stack.stored()
            #expect(stored.count == 1)
            #expect(stored[0].message.subtopic == "a.b")
            #expect(stored[0].message.contentType == .other("text/csv"))
            #expect(String(buffer: stored[0].message.payload) == "1,2")

            let refused: [(command: String, reason: String, id: String?)] = [
                (#"{"id":1,"payload":[{"n":"t"}]}"#, "path-wildcard", "1"),
                (#"{"id":2,"subtopic":"a","payload":[{"n":"t","v":"x"}]}"#, "senml-wrong-type", "2"),
                (#"{"id":3,"subtopic":"a","payload":[{"v":1}],"content_type":"x"}"#, "content-type-unusable", "3"),
                (#"{"id":4,"subtopic":"a b","payload":1}"#, "path-space", "4"),
                (#"{"id":5,"subtopic":"a","payload_base64":"%"}"#, "command-payload", "5"),
                (#"{"id":6,"subtopic":"a"}"#, "command-payload", "6"),
                (#"{"id":7,"subtopic":1,"payload":1}"#, "command-member", "7"),
                (#"{"id":8,"subtopic":"a","payload":1,"idempotency_key":""}"#, "idempotency-key", "8"),
                (#"{"id":[],"payload":1}"#, "command-id", nil),
                ("[]", "json-syntax", nil), ("{", "json-truncated", nil),
            ]
            for (command, reason, id) in refused {
                let answer = try await exchange(command, client)
                #expect(answer.member("type") == "refused", "\(command)")
                #expect(answer.member("reason") == reason, "\(command)")
                #expect(answer.member("id") == id, "\(command)")
            }
            // The connection is as good as before.
            #expect(
                try await exchange(#"{"subtopic":"a","payload":[{"n":"t","v":1}]}"#, client).member("sequence") == "2")
        }
    }

    @Test("bare messages are stored as the query says, and a bad one ends the connection with the reason")
    func bareUp() async throws {
        try await withAdapter { stack in
            let client = try await stack.webSocket(
                stack.path + "/x?content_type=application/json", key: stack.things.sender.key)
            try await wire(client) { client in
                // In three fragments, a ping between them.
                try client.send(WebSocketClient.text, Array("{\"a\"".utf8), isLast: false)
                try client.send(WebSocketClient.ping, Array("hello".utf8))
                try client.send(0, Array(":".utf8), isLast: false)
                try client.send(0, Array("1}".utf8))
                let pong = try client.receive()
                guard pong == .init(opcode: WebSocketClient.pong, payload: Array("hello".utf8)) else {
                    throw RawConnection.Failure.endedBefore("pong", received: pong.text)
                }
                try client.send(WebSocketClient.binary, Array("[2]".utf8))
                try client.send("not json")
            }
            let close = try await wire(client) { try $0.receiveClose() }
            #expect(close.code == 1007)
            #expect(close.reason.hasPrefix("json-"))
            // What was on its way when the connection ended goes on.
            try await eventually("both are stored") { try await stack.stored().count == 2 }
            let stored = try await stack.stored()
            #expect(stored.map { String(buffer: $0.message.payload) } == ["{\"a\":1}", "[2]"])
            #expect(stored[0].message.subtopic == "x")
            #expect(stored[0].message.contentType == .json)
        }
    }

    @Test("one who may only listen is told so when it sends")
    func listenOnly() async throws {
        try await withAdapter { stack in
            let bare = try await stack.webSocket(key: stack.things.listener.key)
            let close = try await wire(bare) { client in
                try client.send("[]")
                return try client.receiveClose()
            }
            #expect(close.code == 1008)
            #expect(close.reason.hasPrefix("publish-not-allowed"))
            let envelope = try await stack.webSocket(key: stack.things.listener.key, subprotocol: Self.envelope)
            _ = try await wire(envelope) { try $0.receive() }
            #expect(try await exchange(#"{"payload":1}"#, envelope).member("reason") == "publish-not-allowed")
        }
    }

    @Test("the key in the query, in a subprotocol, and the name that a browser wants back")
    func credentials() async throws {
        try await withAdapter { stack in
            let key = stack.things.publisher.key
            let port = stack.port
            let encoded = Data("Thing \(key)".utf8).base64EncodedString().replacingOccurrences(of: "=", with: "")
            let cases: [(query: String, subprotocol: String?, chosen: String?)] = [
                ("?authorization=\(key)", nil, nil), ("?authorization=Thing%20\(key)", nil, nil),
                ("", "martlet.v1, martlet.authorization.\(encoded)", "martlet.v1"),
                ("", "martlet.authorization.\(encoded), \(Self.envelope)", Self.envelope),
            ]
            for (query, subprotocol, chosen) in cases {
                let path = stack.path + query
                let client = try await wire(port) {
                    try WebSocketClient(port: $0, path: path, subprotocol: subprotocol)
                }
                #expect(client.response.status == 101, "\(query) \(subprotocol ?? "")")
                #expect(client.response.fields["sec-websocket-protocol"] == chosen)
            }
            let path = stack.path
            let refused = try await wire(port) {
                try WebSocketClient(port: $0, path: path, subprotocol: "martlet.authorization.%").response
            }
            #expect(refused.status == 401)
            let none = try await wire(port) { try WebSocketClient(port: $0, path: path).response }
            #expect(none.reason == "missing-credential")
        }
    }

    @Test("handshakes that are none")
    func handshakes() async throws {
        try await withAdapter { stack in
            let head =
                "GET \(stack.path) HTTP/1.1\r\nHost: a\r\nAuthorization: \(stack.things.publisher.key)\r\nUpgrade: websocket\r\n"
            let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            let cases: [(rest: String, status: Int, reason: String)] = [
                ("Connection: Upgrade\r\nSec-WebSocket-Version: 8\r\n\(key)", 426, "websocket-version"),
                ("Connection: Upgrade\r\n\(key)", 426, "websocket-version"),
                ("Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", 400, "websocket-handshake"),
                (
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n", 400,
                    "websocket-handshake"
                ),
                ("Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\(key)\(key)", 400, "websocket-handshake"),
                ("Sec-WebSocket-Version: 13\r\n\(key)", 400, "websocket-handshake"),
            ]
            for (rest, status, reason) in cases {
                let response = try await stack.answer(to: head + rest + "\r\n")
                #expect(response.status == status, "\(rest)")
                #expect(response.reason == reason, "\(rest)")
                if status == 426 { #expect(response.fields["sec-websocket-version"] == "13") }
            }
        }
    }

    @Test(
        "violations of the protocol end the connection with their code",
        arguments: [
            ("not masked", 1002), ("reserved bit", 1002), ("reserved opcode", 1002), ("reserved control opcode", 1002),
            ("long control frame", 1002), ("fragmented control frame", 1002), ("continuation of nothing", 1002),
            ("message within message", 1002), ("text that is not UTF-8", 1007), ("close code 1005", 1002),
            ("close code 999", 1002), ("close with one byte", 1002), ("close reason not UTF-8", 1007),
            ("frame too large", 1009), ("fragments too large", 1009), ("length of 2^63", 1009),
        ])
    func violations(what: String, code: Int) async throws {
        try await withAdapter(["payload-maximum-bytes": "1000"]) { stack in
            let client = try await stack.webSocket(stack.path + "?content_type=text/plain")
            let close = try await wire(client) { client in
                switch what {
                case "not masked": try client.send(1, [65], isMasked: false)
                case "reserved bit": try client.send(1, [65], reserved: 0x40)
                case "reserved opcode": try client.send(3, [65])
                case "reserved control opcode": try client.send(11, [])
                case "long control frame": try client.send(9, Array(repeating: 65, count: 126))
                case "fragmented control frame": try client.send(9, [], isLast: false)
                case "continuation of nothing": try client.send(0, [65])
                case "message within message":
                    try client.send(1, [65], isLast: false)
                    try client.send(1, [65])
                case "text that is not UTF-8":
                    try client.send(1, [0xC3], isLast: false)
                    try client.send(0, [0x28])
                case "close code 1005": try client.sendClose(1005)
                case "close code 999": try client.sendClose(999)
                case "close with one byte": try client.send(8, [3])
                case "close reason not UTF-8": try client.send(8, [3, 0xE8, 0xFF])
                case "frame too large": try client.send(2, Array(repeating: 65, count: 1001))
                case "fragments too large":
                    try client.send(2, Array(repeating: 65, count: 600), isLast: false)
                    try client.send(0, Array(repeating: 65, count: 600))
                case "length of 2^63":
                    try client.connection.send([0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4])
                default: throw RawConnection.Failure.endedBefore("a case", received: what)
                }
                return try client.receiveClose()
            }
            #expect(close.code == code)
            #expect(!close.reason.isEmpty)
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test("a close is answered with its code, one without a code with none")
    func closing() async throws {
        try await withAdapter { stack in
            let first = try await stack.webSocket()
            let code = try await wire(first) { client in
                try client.sendClose(1000)
                return try client.receiveClose().code
            }
            #expect(code == 1000)
            let second = try await stack.webSocket()
            let empty = try await wire(second) { client in
                try client.send(WebSocketClient.close, [])
                return try client.receiveClose().payload
            }
            #expect(empty.isEmpty)
        }
    }

    @Test("a client that answers no ping is let go")
    func pongMissing() async throws {
        try await withAdapter(["live-keepalive-milliseconds": "50", "live-pong-timeout-milliseconds": "100"]) { stack in
            let client = try await stack.webSocket()
            let close = try await wire(client) { client in
                guard try client.receive().opcode == WebSocketClient.ping else {
                    throw RawConnection.Failure.endedBefore("ping", received: "")
                }
                try client.send(WebSocketClient.pong, [])
                guard try client.receive().opcode == WebSocketClient.ping else {
                    throw RawConnection.Failure.endedBefore("ping", received: "")
                }
                return try client.receiveClose()
            }
            #expect(close.code == 1002)
            #expect(close.reason == "pong-missing")
        }
    }

    @Test("resumes by query, with a gap said where numbers are missing")
    func resume() async throws {
        try await withAdapter { stack in
            for number in 1...3 { try await stack.publish(body: "\(number)") }
            let client = try await stack.webSocket(stack.path + "?after=1", subprotocol: Self.envelope)
            let frames = try await frames(3, of: client)
            #expect(frames[0].member("sequence") == "1")
            #expect(frames.dropFirst().map { $0.member("sequence") } == ["2", "3"])
            let lost = try await stack.webSocket(stack.path + "?after=9", subprotocol: Self.envelope)
            let gap = try await self.frames(2, of: lost)[1]
            #expect(gap.text == #"{"type":"gap","after":9,"next":4}"#)
        }
    }

    @Test("every right that is taken back closes with 1008, and the server's end with 1001")
    func withdrawn() async throws {
        try await withAdapter { stack in
            let things = stack.things
            let rotated = try await stack.webSocket(key: things.sender.key)
            let narrowed = try await stack.webSocket()
            try await things.rotateKey(of: things.sender)
            var close = try await wire(rotated) { try $0.receiveClose() }
            #expect(close.code == 1008)
            #expect(close.reason.hasPrefix("unknown-key"))
            // A connection that could do both ends with either right; it may come back with what is left.
            try await things.narrow(things.publisher)
            close = try await wire(narrowed) { try $0.receiveClose() }
            #expect(close.code == 1008)
            #expect(close.reason.hasPrefix("publish-not-allowed"))
            let listening = try await stack.webSocket()
            #expect(listening.response.status == 101)
            try await things.disconnect(things.publisher)
            close = try await wire(listening) { try $0.receiveClose() }
            #expect(close.reason.hasPrefix("disconnected-from-channel"))

            let last = try await stack.webSocket(key: things.listener.key)
            try await things.disableChannel()
            close = try await wire(last) { try $0.receiveClose() }
            #expect(close.reason.hasPrefix("unknown-channel"))
        }
        try await withAdapter { stack in
            let client = try await stack.webSocket()
            stack.stop()
            let close = try await wire(client) { try $0.receiveClose() }
            #expect(close.code == 1001)
            #expect(close.reason.hasPrefix("shutting-down"))
        }
    }

    @Test("one that does not read is cut off with 1013, and others lose nothing by it")
    func slow() async throws {
        try await withAdapter(["live-queue-maximum-bytes": "65536"]) { stack in
            let client = try await stack.webSocket()
            let slow = try await stack.webSocket(receiveBufferBytes: 4096)
            let body = String(repeating: "x", count: 200_000)
            for _ in 0..<100 where stack.slowConsumers == 0 {
                try await stack.publish(body: body)
                #expect(try await wire(client) { try $0.receive().payload.count } == body.utf8.count)
            }
            #expect(stack.slowConsumers == 1)
            let close = try await wire(slow) { try $0.receiveClose() }
            #expect(close.code == 1013)
            #expect(close.reason == "slow-consumer")
        }
    }

    @Test("many messages, many listeners of both kinds: each in order, each once")
    func fanOut() async throws {
        try await withAdapter(["event-loops": "2"]) { stack in
            var sockets: [WebSocketClient] = []
            var streams: [EventClient] = []
            for _ in 0..<20 {
                sockets.append(try await stack.webSocket(subprotocol: Self.envelope))
                streams.append(try await stack.events())
            }
            let total = 300
            let requests = (1...total).map { stack.request(contentType: "text/plain", body: "\($0)") }.joined()
            let responses = try await stack.exchange(requests, responses: total)
            #expect(Set(responses.map(\.status)) == [202])
            let expected = (1...total).map { Optional(String($0)) }
            for socket in sockets {
                let got = try await frames(total + 1, of: socket).dropFirst().map { $0.member("sequence") }
                #expect(got == expected)
            }
            for stream in streams {
                let got = try await wire(stream) { stream in try (0..<total).map { _ in try stream.next()?.id } }
                #expect(got == expected)
            }
        }
    }

    private func frames(_ count: Int, of client: WebSocketClient) async throws -> [WebSocketClient.Frame] {
        try await wire(client) { client in try (0..<count).map { _ in try client.receive() } }
    }

    private func exchange(_ text: String, _ client: WebSocketClient) async throws -> WebSocketClient.Frame {
        try await wire(client) { client in
            try client.send(text)
            return try client.receive()
        }
    }
}
