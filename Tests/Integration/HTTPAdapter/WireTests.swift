// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore
import TestKit
import Testing

/// HTTP/1.1 by exact bytes.
@Suite("HTTP adapter: on the wire")
struct WireTests {
    @Test("the bytes of a 202")
    func exactBytes() async throws {
        try await withAdapter { stack in
            let request = stack.request(fields: ["Connection: close"])
            let text = try await wire(port: stack.port) { connection in
                try connection.send(request)
                return try connection.readToEnd()
            }
            let lines = text.components(separatedBy: "\r\n")
            #expect(lines.count == 7)
            #expect(lines[0] == "HTTP/1.1 202 Accepted")
            #expect(lines[1].hasPrefix("Date: "))
            #expect(lines[2...] == ["Content-Length: 0", "Martlet-Sequence: 1", "Connection: close", "", ""])
        }
    }

    @Test("a request that arrives byte by byte, and one in chunks")
    func pieces() async throws {
        try await withAdapter { stack in
            let whole = stack.request()
            let path = stack.path
            let key = stack.things.publisher.key
            let responses = try await wire(port: stack.port) { connection in
                try connection.sendByteByByte(whole)
                let first = try connection.readResponse()
                try connection.sendByteByByte(
                    "POST \(path) HTTP/1.1\r\nHost: a\r\nauthorization: \(key)\r\ncontent-type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + "3\r\nabc\r\n1;ext=1\r\nd\r\n0\r\nTrailer: x\r\n\r\n")
                return [first, try connection.readResponse()]
            }
            #expect(responses.map(\.status) == [202, 202])
            #expect(try await stack.stored().map { String(buffer: $0.message.payload) }.last == "abcd")
        }
    }

    @Test("pipelined requests are answered in order, good and bad, known and unknown")
    func pipelining() async throws {
        try await withAdapter { stack in
            var text = ""
            var expected: [Int] = []
            for index in 0..<200 {
                switch index % 4 {
                case 0, 1:
                    text += stack.request(contentType: "text/plain", body: "\(index)")
                    expected.append(202)
                case 2:
                    text += stack.request(key: "unknown-\(index)")
                    expected.append(401)
                default:
                    text += stack.request(body: "no")
                    expected.append(400)
                }
            }
            let responses = try await stack.exchange(text, responses: 200)
            #expect(responses.map(\.status) == expected)
            let sequences = responses.compactMap { $0.fields["martlet-sequence"].flatMap(Int.init) }
            #expect(sequences == Array(1...100))
            let stored = try await stack.stored().map { String(buffer: $0.message.payload) }
            #expect(stored == (0..<200).filter { $0 % 4 < 2 }.map(String.init))
        }
    }

    @Test("100 Continue comes when the publish is allowed, and not when it is refused")
    func expectation() async throws {
        try await withAdapter { stack in
            let head = stack.request(fields: ["Expect: 100-continue"], body: "")
                .replacingOccurrences(of: "Content-Length: 0", with: "Content-Length: 15")
            let responses = try await wire(port: stack.port) { connection in
                try connection.send(head)
                let first = try connection.readResponse()
                try connection.send(#"[{"n":"a","v":1}"#)
                return [first, try connection.readResponse()]
            }
            #expect(responses.map(\.status) == [100, 400])
            let refused = stack.request(
                key: "nobody's", fields: ["Expect: 100-continue", "Content-Length: 5"], body: ""
            )
            .replacingOccurrences(of: "Content-Length: 0\r\n", with: "")
            let text = try await wire(port: stack.port) { connection in
                try connection.send(refused)
                return try connection.readToEnd()
            }
            #expect(text.hasPrefix("HTTP/1.1 401 "))
            #expect(text.contains("Connection: close\r\n"))
        }
    }

    @Test("what is announced too large is refused before it is sent; chunks as soon as they are too many")
    func tooLarge() async throws {
        try await withAdapter { stack in
            let announced = stack.request(body: "").replacingOccurrences(
                of: "Content-Length: 0", with: "Content-Length: 10485760")
            let text = try await wire(port: stack.port) { connection in
                try connection.send(announced)
                return try connection.readToEnd()
            }
            #expect(text.hasPrefix("HTTP/1.1 413 "))
            #expect(text.contains("payload-too-large"))
            #expect(text.contains("Connection: close\r\n"))

            let chunked = stack.request(fields: ["Transfer-Encoding: chunked"], body: "").replacingOccurrences(
                of: "Content-Length: 0\r\n", with: "")
            let chunk = "10000\r\n" + String(repeating: "x", count: 65_536) + "\r\n"
            let answer = try await wire(port: stack.port) { connection in
                try connection.send(chunked)
                for _ in 0..<17 { try connection.send(chunk) }
                return try connection.readToEnd()
            }
            #expect(answer.hasPrefix("HTTP/1.1 413 "))
            // The ten mebibytes themselves, from a client that does not wait: it gets to read why.
            let whole = stack.request(body: String(repeating: "x", count: 10 << 20))
            let response = try await wire(port: stack.port) { connection in
                try? connection.send(whole)
                return try connection.readResponse()
            }
            #expect(response.status == 413)
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test("a small body of a refused request is read past and the connection goes on")
    func refusedBodyIsSkipped() async throws {
        try await withAdapter { stack in
            let refused = stack.request(key: "nobody's", body: String(repeating: "x", count: 20_000))
            let responses = try await stack.exchange(refused + stack.request(), responses: 2)
            #expect(responses.map(\.status) == [401, 202])
            #expect(responses[0].fields["connection"] == nil)
        }
    }

    @Test(
        "what is not HTTP is answered with what is wrong, and the connection ends",
        arguments: [
            ("GARBAGE\r\n\r\n", 400, "http-method"),
            ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", 400, "http-method"),
            ("GET /health HTTP/3.0\r\n\r\n", 505, "http-version"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "http-syntax"),
            ("POST / HTTP/1.1\r\nHost: a\r\nBad Field: x\r\n\r\n", 400, "http-field"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ten\r\n\r\n", 400, "http-content-length"),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400,
                "http-content-length"
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400,
                "http-content-length"
            ),
            ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http-target"),
        ])
    func garbage(bytes: String, status: Int, reason: String) async throws {
        try await withAdapter { stack in
            let (first, rest) = try await wire(port: stack.port) { connection in
                // Behind a good request, which is answered first.
                try connection.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try connection.readResponse()
                try connection.send(bytes)
                return (try connection.readResponse(), try connection.readToEnd())
            }
            #expect(first.status == status, "\(first.body)")
            #expect(first.reason == reason)
            #expect(first.fields["connection"] == "close")
            #expect(rest.isEmpty)
            #expect(stack.refused(reason) == 1)
        }
    }

    @Test("Content-Length beside Transfer-Encoding is refused: requests cannot be smuggled")
    func smuggling() async throws {
        try await withAdapter { stack in
            let request = stack.request(
                fields: ["Transfer-Encoding: chunked"], body: "0\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            let text = try await wire(port: stack.port) { connection in
                try connection.send(request)
                return try connection.readToEnd()
            }
            #expect(text.hasPrefix("HTTP/1.1 400 "))
            #expect(text.components(separatedBy: "HTTP/1.1 ").count == 2)
        }
    }

    @Test("broken chunks, other codings, too many fields")
    func framing() async throws {
        try await withAdapter { stack in
            let head = stack.request(fields: ["Transfer-Encoding: chunked"], body: "").replacingOccurrences(
                of: "Content-Length: 0\r\n", with: "")
            #expect(try await stack.answer(to: head + "zz\r\n").reason == "http-chunk")
            let coded = stack.request(fields: ["Transfer-Encoding: gzip, chunked"], body: "").replacingOccurrences(
                of: "Content-Length: 0\r\n", with: "")
            #expect(try await stack.answer(to: coded + "0\r\n\r\n").reason == "transfer-encoding")
            let long = stack.request(fields: ["X: " + String(repeating: "x", count: 9_000)])
            let large = try await stack.answer(to: long)
            #expect(large.status == 431)
            #expect(large.reason == "head-too-large")
            let many = stack.request(fields: (0..<100).map { "X-\($0): 1" })
            #expect(try await stack.answer(to: many).status == 431)
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test("a client that has shut its sending side gets its answers; one cut off within a body stores nothing")
    func halfClose() async throws {
        try await withAdapter { stack in
            let request = stack.request()
            let text = try await wire(port: stack.port) { connection in
                try connection.send(request + request)
                connection.shutDownSending()
                return try connection.readToEnd()
            }
            #expect(text.components(separatedBy: "HTTP/1.1 202 Accepted").count == 3)
            let cut = String(request.dropLast(3))
            let refused = try await wire(port: stack.port) { connection in
                try connection.send(cut)
                connection.shutDownSending()
                return try connection.readToEnd()
            }
            #expect(refused.hasPrefix("HTTP/1.1 400 "))
            #expect(try await stack.stored().count == 2)
        }
    }

    @Test("slow heads and bodies are cut with 408, silent connections without a word")
    func slowClients() async throws {
        let settings = [
            "head-timeout-milliseconds": "200", "body-timeout-milliseconds": "200", "idle-timeout-milliseconds": "200",
        ]
        try await withAdapter(settings) { stack in
            let request = stack.request()
            let parts = [String(request.prefix(20)), String(request.dropLast(3))]
            for part in parts {
                let text = try await wire(port: stack.port) { connection in
                    try connection.send(part)
                    return try connection.readToEnd()
                }
                #expect(text.hasPrefix("HTTP/1.1 408 "), "\(text)")
                #expect(text.contains("request-too-slow"))
            }
            // Trickling does not help: the deadline is that of the whole head.
            let text = try await wire(port: stack.port) { connection in
                for byte in request.utf8 {
                    guard (try? connection.send([byte])) != nil else { break }
                    usleep(20_000)
                }
                return try connection.readToEnd()
            }
            #expect(text.hasPrefix("HTTP/1.1 408 "), "\(text)")
            let idle = try await wire(port: stack.port) { connection in
                try connection.send(request)
                _ = try connection.readResponse()
                return try connection.readToEnd()
            }
            #expect(idle.isEmpty)
            #expect(stack.refused("request-too-slow") == 3)
        }
    }

    @Test("HTTP/1.0 closes unless it asks not to")
    func http10() async throws {
        try await withAdapter { stack in
            let once = try await wire(port: stack.port) { connection in
                try connection.send("GET /health HTTP/1.0\r\n\r\n")
                return try connection.readToEnd()
            }
            #expect(once.hasPrefix("HTTP/1.1 200 OK"))
            #expect(once.contains("Connection: close"))
            let twice = try await stack.exchange(
                String(repeating: "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", count: 2), responses: 2)
            #expect(twice.map { $0.fields["connection"] } == ["keep-alive", "keep-alive"])
        }
    }

    @Test("health, metrics, the API's description, HEAD and OPTIONS")
    func documents() async throws {
        try await withAdapter { stack in
            let get = { (path: String) in "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n" }
            let health = try await stack.answer(to: get("/health"))
            #expect(health.status == 200)
            #expect(health.fields["content-type"] == "application/health+json")
            #expect(health.member("status") == "pass")
            #expect(try await stack.answer(to: stack.request()).status == 202)
            let metrics = try await stack.answer(to: get("/metrics?x=1"))
            #expect(metrics.body.contains("martlet_http_responses_total{status=\"202\"} 1\n"))
            #expect(metrics.body.contains("martlet_http_accepted_payload_bytes_total 30\n"))
            #expect(metrics.body.contains("martlet_http_publish_seconds_count 1\n"))
            let api = try await stack.answer(to: get("/openapi.json"))
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(api.body.utf8)) as? [String: Any])
            #expect(document["openapi"] as? String == "3.1.0")
            #expect((document["paths"] as? [String: Any])?.count == 6)

            let head = try await wire(port: stack.port) { connection in
                try connection.send(
                    "HEAD /openapi.json HTTP/1.1\r\nHost: a\r\n\r\nHEAD /none HTTP/1.1\r\nHost: a\r\n\r\n")
                return [try connection.readResponse(toHEAD: true), try connection.readResponse(toHEAD: true)]
            }
            #expect(head[0].status == 200)
            #expect(head[0].fields["content-length"] == "\(api.body.utf8.count)")
            #expect(head[1].status == 404)
            let options = try await stack.exchange(
                "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS \(stack.path) HTTP/1.1\r\nHost: a\r\n\r\n", responses: 2)
            #expect(options.map(\.status) == [204, 204])
            #expect(options.map { $0.fields["allow"] } == ["GET, HEAD, POST, OPTIONS", "GET, POST, OPTIONS"])
        }
    }

    @Test("one connection too many is told so; the place is free again when another ends")
    func connectionLimit() async throws {
        try await withAdapter(["connections-maximum": "1", "event-loops": "1"]) { stack in
            let port = stack.port
            let second = try await wire(port: port) { connection in
                try connection.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try connection.readResponse()
                return try RawConnection(port: port).readToEnd()
            }
            #expect(second.hasPrefix("HTTP/1.1 503 "))
            #expect(second.contains("too-many-connections"))
            #expect(second.contains("Retry-After: 5\r\n"))
            try await eventually("a place is free") {
                (try? await stack.answer(to: stack.request()).status) == 202
            }
        }
    }
}
