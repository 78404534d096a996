// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore
import TestKit
import Testing

@Suite("CoAP adapter: bodies in blocks")
struct BlockTests {
    private func block(_ number: Int, more: Bool, exponent: UInt8 = 6) -> [UInt8] {
        let value = number << 4 | (more ? 8 : 0) | Int(exponent)
        return value > 255 ? [UInt8(value >> 8), UInt8(value & 255)] : [UInt8(value)]
    }

    @Test("libcoap's client sends 64 KiB in blocks over UDP, and whole over TCP", arguments: ["coap", "coap+tcp"])
    func libcoapClient(scheme: String) async throws {
        try await withCoAP { stack in
            let payload = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let file = stack.directory.file("body")
            try Data(payload).write(to: URL(fileURLWithPath: file))
            let port = scheme == "coap" ? stack.port : stack.tcpPort
            let output = try await stack.coapClient(
                "notls", ["-m", "put", "-t", "42", "-f", file, stack.uri(scheme, "big", port: port)])
            #expect(output.contains("c:2.04"), "\(output.suffix(2000))")
            let stored = try await stack.stored()
            #expect(stored.count == 1)
            #expect(stored.first.map { Array($0.payload.readableBytesView) } == payload)
        }
    }

    @Test("Blocks come in order, each is answered, and what is no such block is refused")
    func order() async throws {
        try await withCoAP(["payload-maximum-bytes": "4000"]) { stack in
            let client = try CoAPClient(port: stack.port)
            func request(_ number: Int, more: Bool, bytes: Int, key: String? = nil) -> CoAPMessage {
                var message = stack.post(String(repeating: "x", count: bytes), key: key)
                message.options.append((27, block(number, more: more)))
                return message
            }
            // Who may not, has nothing held.
            #expect(try await client.exchange(request(0, more: true, bytes: 1024, key: "nobody")).codeText == "4.01")
            #expect(try await client.exchange(request(1, more: true, bytes: 1024)).codeText == "4.08")
            #expect(try await client.exchange(request(0, more: true, bytes: 1000)).codeText == "4.00")
            let first = try await client.exchange(request(0, more: true, bytes: 1024))
            #expect(first.codeText == "2.31")
            #expect(first.option(27) == block(0, more: true))
            // Again, with another identifier: the answer was lost.
            #expect(try await client.exchange(request(0, more: true, bytes: 1024)).codeText == "2.31")
            #expect(try await client.exchange(request(1, more: true, bytes: 1024)).codeText == "2.31")
            #expect(try await client.exchange(request(1, more: true, bytes: 1024)).codeText == "2.31")
            #expect(try await client.exchange(request(3, more: true, bytes: 1024)).codeText == "4.08")
            for number in 0..<2 { _ = try await client.exchange(request(number, more: true, bytes: 1024)) }
            let last = try await client.exchange(request(2, more: false, bytes: 7))
            #expect(last.codeText == "2.04")
            #expect(last.option(27) == block(2, more: false))
            for number in 0..<3 { _ = try await client.exchange(request(number, more: true, bytes: 1024)) }
            let large = try await client.exchange(request(3, more: true, bytes: 1024))
            #expect(large.codeText == "4.13")
            #expect(large.uint(60) == 4_000)
            var announced = request(0, more: true, bytes: 1024)
            announced.options.append((60, [0x0F, 0xA1]))
            #expect(try await client.exchange(announced).codeText == "4.13")
            #expect(try await stack.stored().map(\.payload.readableBytes) == [2_055])
        }
    }

    @Test("A large notification is its first block, and the others are fetched, of the same message")
    func notification() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let observing = stack.observe()
            _ = try await client.exchange(observing)
            let text = (0..<500).map { "\($0);" }.joined()
            try await stack.publish(text)
            let notification = try await client.notification()
            #expect(notification.option(23) == block(0, more: true))
            #expect(notification.uint(28) == text.utf8.count)
            let tag = try #require(notification.option(4))
            try await stack.publish("another")
            #expect(try await client.notification().text == "another")
            var body = notification.payload
            var number = 1
            while true {
                var next = CoAPMessage(
                    .confirmable, CoAPMessage.get, path: stack.path(), query: ["auth=\(stack.things.listener.key)"])
                next.options.append((23, block(number, more: false)))
                let answer = try await client.exchange(next)
                #expect(answer.codeText == "2.05")
                #expect(answer.option(4) == tag)
                #expect(answer.option(6) == nil)
                body += answer.payload
                guard (answer.uint(23) ?? 0) & 8 != 0 else { break }
                number += 1
            }
            #expect(String(decoding: body, as: UTF8.self) == text)
        }
    }

    @Test("What there is, by /.well-known/core")
    func discovery() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let request = CoAPMessage(.confirmable, CoAPMessage.get, path: [".well-known", "core"])
            let answer = try await client.exchange(request)
            #expect(answer.codeText == "2.05")
            #expect(answer.uint(12) == 40)
            #expect(answer.text == #"</channels>;ct="110 112";obs,</m>;ct="110 112";obs"#)
            #expect(answer.bytes.count <= 3 * request.bytes.count)
            let filtered = CoAPMessage(
                .confirmable, CoAPMessage.get, path: [".well-known", "core"], query: ["href=/m*"])
            #expect(try await client.exchange(filtered).text == #"</m>;ct="110 112";obs"#)
            let post = CoAPMessage(.confirmable, CoAPMessage.post, path: [".well-known", "core"])
            #expect(try await client.exchange(post).codeText == "4.05")
        }
    }
}
