// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging
import NIOCore
import TestKit
import Testing

extension CoAPStack {
    /// A GET of the listener's.
    func get(
        _ subtopic: [String] = [], accept: UInt8? = nil, key: String? = nil, options: [(UInt16, [UInt8])] = []
    ) -> CoAPMessage {
        var message = CoAPMessage(
            .confirmable, CoAPMessage.get, path: path(subtopic), query: ["auth=\(key ?? things.listener.key)"])
        if let accept { message.options.append((17, [accept])) }
        message.options += options.map { ($0.0, $0.1) }
        return message
    }
}

@Suite("CoAP adapter: the last value")
struct ReadTests {
    @Test("GET is answered with the last value, and with 2.03 to who has it")
    func last() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            #expect(try await client.exchange(stack.get(["a"])).codeText == "4.04")
            try await stack.publish("first", "a")
            try await stack.publish("second", "a")
            try await stack.publish("other", "a.b")
            let answer = try await client.exchange(stack.get(["a"]))
            #expect(answer.codeText == "2.05")
            #expect(answer.text == "second")
            #expect(answer.uint(12) == 42)
            #expect(answer.uint(14) == 1)
            let tag = try #require(answer.option(4))
            let valid = try await client.exchange(stack.get(["a"], options: [(4, [9]), (4, tag)]))
            #expect(valid.codeText == "2.03")
            #expect(valid.option(4) == tag)
            #expect(valid.payload.isEmpty)
            try await stack.publish("third", "a")
            #expect(try await client.exchange(stack.get(["a"], options: [(4, tag)])).text == "third")
            #expect(try await client.exchange(stack.get(["+"])).codeText == "4.00")
            #expect(try await client.exchange(stack.get(key: stack.things.sender.key)).codeText == "4.03")
            // What the channel itself has, is not what its subtopics have.
            #expect(try await client.exchange(stack.get()).codeText == "4.04")
        }
    }

    @Test("SenML is had in JSON and in CBOR, by Accept")
    func accept() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let json = #"[{"n":"t","v":1}]"#
            let cbor: [UInt8] = [0x81, 0xA2, 0x00, 0x61, 0x74, 0x02, 0x01]
            try await stack.publish(json, "j", contentType: .senmlJSON)
            try await stack.publish(ByteBuffer(bytes: cbor), "c", contentType: .senmlCBOR)
            try await stack.publish("plain", "p")
            let inCBOR = try await client.exchange(stack.get(["j"], accept: 112))
            #expect(inCBOR.payload == cbor)
            #expect(inCBOR.uint(12) == 112)
            let inJSON = try await client.exchange(stack.get(["c"], accept: 110))
            #expect(inJSON.text == json)
            #expect(inJSON.uint(12) == 110)
            #expect(try await client.exchange(stack.get(["j"], accept: 50)).uint(12) == 50)
            #expect(try await client.exchange(stack.get(["c"])).payload == cbor)
            #expect(try await client.exchange(stack.get(["p"], accept: 110)).codeText == "4.06")
            // An observer's notifications stay in one format, whatever is published.
            let observing = try await client.exchange(stack.observe(["j"], accept: 112))
            #expect(observing.payload == cbor)
            try await stack.publish(ByteBuffer(bytes: cbor), "j", contentType: .senmlCBOR)
            try await stack.publish(json, "j", contentType: .senmlJSON)
            for _ in 0..<2 {
                let notification = try await client.notification()
                #expect(notification.payload == cbor)
                #expect(notification.uint(12) == 112)
            }
        }
    }

    @Test("libcoap's client reads what needs many blocks, over UDP and TCP", arguments: ["coap", "coap+tcp"])
    func large(scheme: String) async throws {
        try await withCoAP { stack in
            let text = (0..<12_000).map { "\($0);" }.joined()
            try await stack.publish(text, "large")
            let file = stack.directory.file("answer-\(scheme)")
            let port = scheme == "coap" ? stack.port : stack.tcpPort
            let log = try await stack.coapClient("notls", ["-o", file, stack.uri(scheme, "large", port: port)])
            let read = try? String(contentsOfFile: file, encoding: .utf8)
            #expect(read == text, "\(log.suffix(3000))")
        }
    }
}
