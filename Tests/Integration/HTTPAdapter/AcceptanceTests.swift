// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Messaging
import NIOCore
import TestKit
import Testing

@Suite("HTTP adapter: accepting")
struct AcceptanceTests {
    @Test("a message is on the bus's disk when 202 is sent, as it was sent")
    func accepted() async throws {
        try await withAdapter { stack in
            let before = WallClock.system.now()
            let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            let response = try await stack.answer(
                to: stack.request(path: stack.path + "/hall/3%2Fwest", fields: ["traceparent: \(trace)"]))
            #expect(response.status == 202)
            #expect(response.body.isEmpty)
            #expect(response.fields["martlet-sequence"] == "1")
            #expect(response.fields["connection"] == nil)
            #expect(response.fields["date"]?.hasSuffix(" GMT") == true)

            let stored = try await stack.stored()
            try #require(stored.count == 1)
            #expect(stored[0].sequence == 1)
            #expect(stored[0].subject == "channels.\(stack.things.channel).hall.3.west")
            #expect(stored[0].headers.traceparent == trace)
            let message = stored[0].message
            #expect(message.channel == stack.things.channel)
            #expect(message.domain == stack.things.domain)
            #expect(message.publisher == stack.things.publisher.id)
            #expect(message.subtopic == "hall.3.west")
            #expect(message.transport == .http)
            #expect(message.contentType == .senmlJSON)
            #expect(message.created >= before && message.created <= WallClock.system.now())
            #expect(String(buffer: message.payload) == #"[{"n":"temperature","v":21.5}]"#)
        }
    }

    @Test("every dialect's path and every form of the key is taken")
    func dialects() async throws {
        try await withAdapter { stack in
            let channel = stack.things.channel
            let paths = [
                "/channels/\(channel)/messages", "/http/channels/\(channel)/messages/a", "/m/factory/c/press-line",
                "/http/m/factory/c/\(channel)/a/b", "/m/\(stack.things.domain)/c/\(channel)?ignored=1",
            ]
            for path in paths {
                let response = try await stack.answer(to: stack.request(path: path))
                #expect(response.status == 202, "\(path): \(response.body)")
            }
            let key = stack.things.publisher.key
            let basic = { (user: String) in Data("\(user):\(key)".utf8).base64EncodedString() }
            let credentials = [
                "Thing \(key)", "thing \(key)", "Client \(key)", key, "Basic \(basic(""))", "Basic \(basic("anyone"))",
                "Basic \(basic(stack.things.publisher.id.description))",
            ]
            for credential in credentials {
                let text =
                    "POST \(stack.path) HTTP/1.1\r\nHost: a\r\nAuthorization: \(credential)\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
                #expect(try await stack.answer(to: text).status == 202, "\(credential)")
            }
            #expect(try await stack.stored().count == paths.count + credentials.count)
        }
    }

    @Test(
        "payloads of every content type arrive unchanged",
        arguments: [
            ("application/json; charset=utf-8", "{\"a\":[1,2.5e3,null]}", ContentType.json),
            ("Application/Octet-Stream", "\u{0}\u{1}", .octetStream),
            ("text/csv", "a,b\n1,2", .other("text/csv")),
            (
                "application/senml+json", #"[{"bn":"urn:dev:ow:1:","bt":1.276020076e+09,"n":"a","vb":false}]"#,
                .senmlJSON
            ),
        ])
    func contentTypes(type: String, body: String, expected: ContentType) async throws {
        try await withAdapter { stack in
            let response = try await stack.answer(to: stack.request(contentType: type, body: body))
            #expect(response.status == 202, "\(response.body)")
            let stored = try await stack.stored()
            try #require(stored.count == 1)
            #expect(stored[0].message.contentType == expected)
            #expect(String(buffer: stored[0].message.payload) == body)
        }
    }

    @Test("SenML in CBOR is taken")
    func cbor() async throws {
        try await withAdapter { stack in
            // [{0: "a", 2: 1}]
            let body: [UInt8] = [0x81, 0xA2, 0x00, 0x61, 0x61, 0x02, 0x01]
            let head = stack.request(contentType: "application/senml+cbor", body: "").replacingOccurrences(
                of: "Content-Length: 0", with: "Content-Length: \(body.count)")
            let response = try await wire(port: stack.port) { connection in
                try connection.send(Array(head.utf8) + body)
                return try connection.readResponse()
            }
            #expect(response.status == 202, "\(response.body)")
        }
    }

    @Test("a payload of exactly the limit is taken")
    func largest() async throws {
        try await withAdapter { stack in
            let body = String(repeating: "x", count: Limits.payloadBytes)
            let response = try await stack.answer(to: stack.request(contentType: "text/plain", body: body))
            #expect(response.status == 202, "\(response.body)")
            #expect(try await stack.stored()[0].message.payload.readableBytes == Limits.payloadBytes)
        }
    }

    @Test("a retry with the same Idempotency-Key is acknowledged and not stored again")
    func idempotency() async throws {
        try await withAdapter { stack in
            let request = stack.request(fields: ["Idempotency-Key: \"8e03978e-40d5\""])
            let first = try await stack.answer(to: request)
            #expect(first.status == 202)
            #expect(first.fields["idempotency-replayed"] == nil)
            let second = try await stack.answer(to: request)
            #expect(second.status == 202)
            #expect(second.fields["martlet-sequence"] == first.fields["martlet-sequence"])
            #expect(second.fields["idempotency-replayed"] == "true")
            // The bare form is the same key; another channel or another key is another message.
            let bare = try await stack.answer(to: stack.request(fields: ["Idempotency-Key: 8e03978e-40d5"]))
            #expect(bare.fields["idempotency-replayed"] == "true")
            let other = try await stack.answer(to: stack.request(fields: ["Idempotency-Key: other"]))
            #expect(other.fields["idempotency-replayed"] == nil)
            #expect(try await stack.stored().count == 2)
        }
    }
}
