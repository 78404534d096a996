// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore
import TestKit
import Testing

@Suite("CoAP adapter: publishing")
struct PublishTests {
    @Test("A confirmable POST is answered 2.04 in its acknowledgement, and is on disk then")
    func confirmable() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let request = stack.post(#"[{"n":"t","v":1}]"#, ["room", "1"], format: 110)
            let answer = try await client.exchange(request)
            #expect(answer.kind == .acknowledgement)
            #expect(answer.codeText == "2.04")
            #expect(answer.identifier == request.identifier)
            #expect(answer.token == request.token)
            #expect(answer.payload.isEmpty)
            let stored = try await stack.stored()
            #expect(stored.count == 1)
            let message = try #require(stored.first)
            #expect(message.channel == stack.things.channel)
            #expect(message.domain == stack.things.domain)
            #expect(message.publisher == stack.things.publisher.id)
            #expect(message.subtopic == "room.1")
            #expect(message.transport == .coap)
            #expect(message.contentType == .senmlJSON)
            #expect(String(buffer: message.payload) == #"[{"n":"t","v":1}]"#)
        }
    }

    @Test(
        "A non-confirmable POST is answered by a non-confirmable message of its own identifier, and not with No-Response"
    )
    func nonConfirmable() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let request = stack.post("a", type: .nonConfirmable)
            let answer = try await client.exchange(request)
            #expect(answer.kind == .nonConfirmable)
            #expect(answer.codeText == "2.04")
            #expect(answer.token == request.token)
            // RFC 7967 section 2.1: 2 suppresses class 2, 26 all.
            var silent = stack.post("b", type: .nonConfirmable)
            silent.options.append((258, [2]))
            client.send(silent)
            // What was not wanted would have come before this one's answer.
            let last = stack.post("c", type: .nonConfirmable)
            #expect(try await client.exchange(last).token == last.token)
            try await eventually("all are stored") { try await stack.stored().count == 3 }
            // A confirmable message is acknowledged, by an empty message.
            var quiet = stack.post("d")
            quiet.options.append((258, [2]))
            let acknowledgement = try await client.exchange(quiet)
            #expect(acknowledgement.kind == .acknowledgement)
            #expect(acknowledgement.code == 0)
            #expect(acknowledgement.token.isEmpty)
            #expect(acknowledgement.identifier == quiet.identifier)
            #expect(try await stack.stored().count == 4)
        }
    }

    @Test("PUT, the domain's path, routes, and every content format")
    func forms() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let key = "auth=\(stack.things.publisher.key)"
            var put = CoAPMessage(.confirmable, CoAPMessage.put, path: stack.path(), query: [key])
            put.payload = [1, 2, 3]
            #expect(try await client.exchange(put).codeText == "2.04")
            var route = CoAPMessage(
                .confirmable, CoAPMessage.post, path: ["m", "factory", "c", "press-line", "a", "b"], query: [key])
            route.payload = Array(#"{"a":1}"#.utf8)
            #expect(try await client.exchange(route).codeText == "2.04")
            let cbor: [UInt8] = [0x81, 0xA2, 0x00, 0x61, 0x74, 0x02, 0x01]
            for (format, payload) in [(112, cbor), (50, Array("{}".utf8)), (42, [0xFF]), (0, Array("hi".utf8))] {
                var message = stack.post("", ["f\(format)"])
                // 0 has no bytes.
                message.options.append((12, format == 0 ? [] : [UInt8(format)]))
                message.payload = payload
                #expect(try await client.exchange(message).codeText == "2.04", "format \(format)")
            }
            let types = try await stack.stored().map { "\($0.subtopic) \($0.contentType.mediaType)" }
            #expect(
                types == [
                    " application/octet-stream", "a.b application/json", "f112 application/senml+cbor",
                    "f50 application/json", "f42 application/octet-stream", "f0 text/plain",
                ])
        }
    }

    @Test("libcoap's own clients publish, over UDP and TCP", arguments: ["notls", "openssl"])
    func libcoapClients(variant: String) async throws {
        try await withCoAP { stack in
            let udp = try await stack.coapClient(
                variant, ["-m", "post", "-t", "110", "-e", #"[{"n":"t","v":1}]"#, stack.uri("coap", "udp")])
            #expect(udp.contains("t:ACK c:2.04"), "\(udp)")
            let non = try await stack.coapClient(
                variant, ["-N", "-m", "put", "-e", "non", stack.uri("coap", "non")])
            #expect(non.contains("t:NON c:2.04"), "\(non)")
            let tcp = try await stack.coapClient(
                variant, ["-m", "post", "-e", "tcp", stack.uri("coap+tcp", "tcp", port: stack.tcpPort)])
            #expect(tcp.contains("c:2.04"), "\(tcp)")
            #expect(try await stack.stored().map(\.subtopic) == ["udp", "non", "tcp"])
            #expect(try await stack.metric(#"martlet_coap_requests_total{transport="tcp"}"#) == 1)
        }
    }

    @Test(
        "An answer that takes longer is a separate response behind an empty acknowledgement, sent until it is acknowledged"
    )
    func separate() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            stack.things.hold()
            let request = stack.post("late")
            let empty = try await client.exchange(request)
            #expect(empty.kind == .acknowledgement)
            #expect(empty.code == 0)
            #expect(empty.identifier == request.identifier)
            // What comes again meanwhile is acknowledged again.
            #expect(try await client.exchange(request).code == 0)
            stack.things.release()
            let answer = try #require(try await client.receive())
            #expect(answer.kind == .confirmable)
            #expect(answer.codeText == "2.04")
            #expect(answer.token == request.token)
            // Not acknowledged, it comes again.
            let again = try #require(try await client.receive())
            #expect(again.identifier == answer.identifier)
            #expect(again.codeText == "2.04")
            client.send(again.acknowledgement)
            #expect(try await client.exchange(request).code == 0)
            #expect(try await stack.stored().count == 1)
        }
    }
}
