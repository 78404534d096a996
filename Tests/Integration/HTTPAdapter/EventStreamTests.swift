// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Messaging
import Observability
import TestKit
import Testing

@Suite("HTTP adapter: server-sent events")
struct EventStreamTests {
    @Test("a message published behind the opening comes with its number and envelope")
    func message() async throws {
        try await withAdapter { stack in
            try await stack.publish(body: "before")
            let client = try await stack.events()
            #expect(client.response.status == 200)
            #expect(client.response.fields["content-type"] == "text/event-stream")
            #expect(client.response.fields["cache-control"] == "no-store, no-transform")
            #expect(client.lastID == "1")

            let senml = try await stack.publish(
                "hall/3", contentType: "application/senml+json", body: "[{\"n\":\"t\",\n\"v\":1}]")
            let first = try #require(try await wire(client) { try $0.next() })
            #expect(first.name == "message")
            #expect(first.id == String(senml))
            #expect(first.member("type") == "message")
            #expect(first.member("sequence") == String(senml))
            #expect(first.member("subtopic") == "hall.3")
            #expect(first.member("publisher") == stack.things.publisher.id.description)
            #expect(first.member("protocol") == "http")
            #expect(first.member("content_type") == "application/senml+json")
            #expect(first.data.hasSuffix("\"payload\":[{\"n\":\"t\",\n\"v\":1}]}"))

            try await stack.publish(body: "\u{0}\u{1}")
            let second = try #require(try await wire(client) { try $0.next() })
            #expect(second.member("subtopic") == nil)
            #expect(second.member("payload_base64") == Data([0, 1]).base64EncodedString())
        }
    }

    @Test(
        "filters of every notation",
        arguments: [
            ("", ["", "a", "a.b", "a.b.c", "z"]), ("/a/b", ["a.b"]), ("/+", ["a", "z"]), ("/*", ["a", "z"]),
            ("/a/+/c", ["a.b.c"]), ("/a/%23", ["a", "a.b", "a.b.c"]), ("/a/%3E", ["a.b", "a.b.c"]),
            ("/%23", ["", "a", "a.b", "a.b.c", "z"]), ("/%3E", ["a", "a.b", "a.b.c", "z"]), ("/nothing", []),
        ])
    func filters(filter: String, expected: [String]) async throws {
        try await withAdapter { stack in
            let client = try await stack.events(stack.path + filter)
            let everything = try await stack.events("/m/\(stack.things.domain)/c/press-line")
            let subtopics = ["", "a", "a.b", "a.b.c", "z"]
            for subtopic in subtopics {
                try await stack.publish(subtopic.replacingOccurrences(of: ".", with: "/"), body: subtopic)
            }
            // Known to be through once somebody else has had the last one.
            for _ in subtopics { _ = try await wire(everything) { try $0.next() } }
            var got: [String] = []
            for _ in expected { got.append(try await wire(client) { try $0.next()?.member("subtopic") ?? "" }) }
            #expect(got == expected)
        }
    }

    @Test("what is refused, and why")
    func refusals() async throws {
        try await withAdapter { stack in
            let unknown = ChannelID.new()
            let cases: [(path: String, key: String, fields: [String], status: Int, reason: String)] = [
                (stack.path, "unknown", [], 401, "unknown-key"),
                (stack.path, stack.things.sender.key, [], 403, "subscribe-not-allowed"),
                ("/channels/\(unknown)/messages", stack.things.listener.key, [], 404, "unknown-channel"),
                ("/nowhere", stack.things.listener.key, [], 404, "path-unknown"),
                (stack.path + "/a%23", stack.things.listener.key, [], 400, "path-wildcard-misplaced"),
                (stack.path + "/a%20b", stack.things.listener.key, [], 400, "path-space"),
                (stack.path, stack.things.listener.key, ["Last-Event-ID: x"], 400, "last-event-id"),
                (stack.path, stack.things.listener.key, ["Last-Event-ID: 18446744073709551615"], 400, "last-event-id"),
                (stack.path + "?after=-1", stack.things.listener.key, [], 400, "last-event-id"),
                (stack.path + "?after=1&after=1", stack.things.listener.key, [], 400, "query-repeated"),
                (stack.path + "?after=%ZZ", stack.things.listener.key, [], 400, "query-encoding"),
                (stack.path + "?content_type=x", stack.things.listener.key, [], 400, "query-content-type"),
            ]
            for (path, key, fields, status, reason) in cases {
                let client = try await stack.events(path, key: key, fields: fields)
                #expect(client.response.status == status, "\(path) \(fields)")
                #expect(client.response.reason == reason, "\(path) \(fields)")
                #expect(stack.refused(reason) >= 1)
            }
            let response = try await stack.answer(to: stack.request("GET", contentType: nil, body: ""))
            #expect(response.status == 406)
            #expect(response.reason == "live-not-asked-for")
            let bearer = try await stack.answer(
                to:
                    "GET \(stack.path) HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nAuthorization: Bearer x.y.z\r\n\r\n"
            )
            // Nobody serves token keys here.
            #expect(bearer.status == 503)
        }
    }

    @Test("resumes behind the last number, by field and by query, and the field counts more")
    func resume() async throws {
        try await withAdapter { stack in
            for number in 1...5 { try await stack.publish(body: "\(number)") }
            for (query, fields) in [
                ("?last_event_id=3", []), ("?after=3", []), ("?after=1", ["Last-Event-ID: 3"]),
            ] {
                let client = try await stack.events(stack.path + query, fields: fields)
                #expect(client.lastID == "3")
                let ids = try await wire(client) { client in [try client.next()?.id, try client.next()?.id] }
                #expect(ids == ["4", "5"])
            }
            // And goes on live.
            let client = try await stack.events(fields: ["Last-Event-ID: 0"])
            let old = try await wire(client) { client in try (1...5).map { _ in try client.next()?.id } }
            #expect(old == ["1", "2", "3", "4", "5"])
            try await stack.publish(body: "6")
            #expect(try await wire(client) { try $0.next()?.id } == "6")
        }
    }

    @Test("resuming while messages flow loses and repeats nothing")
    func resumeUnderLoad() async throws {
        try await withAdapter { stack in
            let total = 400
            for number in 0..<50 { try await stack.publish(body: "\(number)") }
            let request = stack.request(contentType: "text/plain", body: "x")
            let port = stack.port
            async let publishing: Void = wire(port) { port in
                let connection = try RawConnection(port: port)
                for _ in 50..<total {
                    try connection.send(request)
                    _ = try connection.readResponse()
                }
            }
            var next = 1
            while next <= total {
                let client = try await stack.events(fields: ["Last-Event-ID: \(next - 1)"])
                let from = next
                let ids = try await wire(client) { client in
                    try (0..<min(23, total - from + 1)).map { _ in Int(try client.next()?.id ?? "") ?? -1 }
                }
                #expect(ids == Array(from..<(from + ids.count)))
                next += ids.count
            }
            try await publishing
        }
    }

    @Test("a number that was never given is said to be a gap, and the stream goes on from its end")
    func future() async throws {
        try await withAdapter { stack in
            try await stack.publish(body: "1")
            let client = try await stack.events(fields: ["Last-Event-ID: 1000"])
            let gap = try #require(try await wire(client) { try $0.next() })
            #expect(gap.name == "gap")
            #expect(gap.id == "1")
            #expect(gap.data == #"{"type":"gap","after":1000,"next":2}"#)
            try await stack.publish(body: "2")
            #expect(try await wire(client) { try $0.next()?.id } == "2")
        }
    }

    @Test("what is not kept any more is said to be a gap, and the stream goes on behind it")
    func retention() async throws {
        try await withAdapter(busSettings: ["segment-bytes": "1048576"]) { stack in
            // More than the bus keeps in memory, from where what is released may still be read.
            let total = 110
            let body = String(repeating: "x", count: 200_000)
            for _ in 0..<total { try await stack.publish(body: body) }
            // Somebody has stored it all: whole segments may go.
            let consumer = try await stack.observer.consume(
                stream: Streams.messages, ConsumerConfiguration(name: Streams.writerConsumer))
            for try await batch in consumer.batches {
                guard let last = batch.last?.sequence else { continue }
                consumer.acknowledge(through: last)
                if last == UInt64(total) { break }
            }
            try await eventually("segments are gone") {
                try await stack.observer.streamState(Streams.messages).firstSequence > 1
            }
            let client = try await stack.events(fields: ["Last-Event-ID: 0"])
            let gaps = try await wire(client) { client in
                var gaps = 0
                var expected = 1
                while expected <= total, let event = try client.next() {
                    if event.name == "gap" {
                        gaps += 1
                        guard event.member("after") == String(expected - 1), let next = Int(event.member("next") ?? ""),
                            event.id == String(next - 1)
                        else { throw RawConnection.Failure.endedBefore("a gap", received: event.data) }
                        expected = next
                    } else {
                        guard event.id == String(expected) else {
                            throw RawConnection.Failure.endedBefore("message \(expected)", received: event.id)
                        }
                        expected += 1
                    }
                }
                return gaps
            }
            // More than one when another segment goes meanwhile.
            #expect(gaps >= 1)
            await consumer.cancel()
        }
    }

    @Test("keeps alive with comments, and the number moves on past what the filter does not match")
    func keepAlive() async throws {
        try await withAdapter(["live-keepalive-milliseconds": "50"]) { stack in
            let client = try await stack.events(stack.path + "/other")
            #expect(client.lastID == "0")
            try await stack.publish(body: "1")
            try await wire(client) { client in
                while client.lastID != "1" { try client.nextComment() }
            }
        }
    }

    @Test("a right that is taken back ends the stream with the reason")
    func withdrawn() async throws {
        try await withAdapter { stack in
            let things = stack.things
            let disabled = try await stack.events()
            let rotated = try await stack.events(key: things.publisher.key)
            try await things.disable(things.listener)
            let end = try #require(try await wire(disabled) { try $0.next() })
            #expect(end.name == "end")
            #expect(end.member("reason") == "unknown-key")
            #expect(end.member("status") == "401")
            #expect(try await wire(disabled) { try $0.next() } == nil)
            try await stack.publish(body: "still here")
            #expect(try await wire(rotated) { try $0.next()?.name } == "message")
            try await things.rotateKey(of: things.publisher)
            #expect(try await wire(rotated) { try $0.next()?.member("reason") } == "unknown-key")
        }
    }

    @Test("the server's end is said, and one that does not read is cut off")
    func ends() async throws {
        try await withAdapter(["live-queue-maximum-bytes": "65536"]) { stack in
            let client = try await stack.events()
            let slow = try await stack.events(receiveBufferBytes: 4096)
            let body = String(repeating: "x", count: 200_000)
            var last: UInt64 = 0
            for _ in 0..<100 where stack.slowConsumers == 0 {
                last = try await stack.publish(body: body)
                #expect(try await wire(client) { try $0.next()?.id } == String(last))
            }
            #expect(stack.slowConsumers == 1)
            let (ids, end) = try await wire(slow) { slow in
                var ids: [UInt64] = []
                while let event = try slow.next() {
                    guard event.name == "message" else { return (ids, event.member("reason")) }
                    ids.append(UInt64(event.id) ?? 0)
                }
                return (ids, nil)
            }
            #expect(ids == Array(1..<(UInt64(ids.count) + 1)))
            #expect(end == "slow-consumer")
            // It takes up where it was, at its own pace.
            let again = try await stack.events(fields: ["Last-Event-ID: \(ids.count)"])
            let rest = try await wire(again) { [last] again in
                try (0..<(Int(last) - ids.count)).map { _ in UInt64(try again.next()?.id ?? "") ?? 0 }
            }
            #expect(rest == Array((UInt64(ids.count) + 1)...last))

            stack.stop()
            let farewell = try #require(try await wire(client) { try $0.next() })
            #expect(farewell.name == "end")
            #expect(farewell.member("reason") == "shutting-down")
            #expect(try await wire(client) { try $0.next() } == nil)
        }
    }

    @Test("the bus's end and return lose and repeat nothing")
    func busRestart() async throws {
        // One bus connection: when it takes one message again, it takes the next.
        try await withAdapter(["event-loops": "1"]) { stack in
            let client = try await stack.events()
            try await stack.publish(body: "1")
            #expect(try await wire(client) { try $0.next()?.id } == "1")
            await stack.bus.kill()
            let again = try stack.bus.startAgain()
            try await again.wait("messages are accepted again") {
                try await stack.answer(to: stack.request(contentType: "text/plain", body: "2")).status == 202
            }
            try await stack.publish(body: "3")
            let ids = try await wire(client) { client in [try client.next()?.id, try client.next()?.id] }
            #expect(ids == ["2", "3"])
            await again.kill()
        }
    }

    @Test("a bus that has lost its disk begins anew, which is said to be a gap")
    func busBeginsAnew() async throws {
        try await withAdapter(["event-loops": "1"]) { stack in
            for number in 1...3 { try await stack.publish(body: "\(number)") }
            let client = try await stack.events()
            let socket = try await stack.webSocket(key: stack.things.listener.key, subprotocol: "martlet.v1+json")
            _ = try await wire(socket) { try $0.receive() }
            await stack.bus.kill()
            try FileManager.default.removeItem(atPath: stack.busData)
            let again = try stack.bus.startAgain()
            try await again.wait("messages are accepted again") {
                try await stack.answer(to: stack.request(contentType: "text/plain", body: "1")).status == 202
            }
            let (gap, event) = try await wire(client) { client in (try client.next(), try client.next()) }
            #expect(gap?.name == "gap" && gap?.id == "0")
            #expect(gap?.data == #"{"type":"gap","after":3,"next":1}"#)
            #expect(event?.name == "message" && event?.id == "1")
            let texts = try await wire(socket) { socket in (try socket.receive(), try socket.receive()) }
            #expect(texts.0.text == #"{"type":"gap","after":3,"next":1}"#)
            #expect(texts.1.member("sequence") == "1")
            await again.kill()
        }
    }
}

extension AdapterStack {
    var slowConsumers: UInt64 { metrics.counter("martlet_live_slow_consumers_total", help: "").value }
}
