// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import TestKit
import Testing

/// What breaks RFC 6455, or is more than there is room for, ends its connection with the code that the RFC has for it, and nothing else.
@Suite(.serialized) struct WebSocketAbuseTests {
    private struct Case: Sendable {
        let name: String
        /// Sent once CONNECT was accepted.
        let bytes: [UInt8]
        /// Of the close frame (section 7.4.1).
        let code: UInt16
    }

    @Test func whatBreaksTheRulesEndsTheConnection() async throws {
        try await withMQTT { stack in
            let ping = WebSocketWire.bytes(.pingRequest)
            let cases = [
                Case(name: "unmasked", bytes: WebSocketWire.frame(.binary, ping, isMasked: false), code: 1002),
                Case(name: "unmasked ping", bytes: WebSocketWire.frame(.ping, [1], isMasked: false), code: 1002),
                Case(name: "text", bytes: WebSocketWire.frame(.text, Array("hello".utf8)), code: 1003),
                Case(name: "too large", bytes: WebSocketWire.head(.binary, length: 3 << 20), code: 1009),
                Case(name: "enormous", bytes: WebSocketWire.head(.binary, length: .max), code: 1009),
                Case(name: "nothing to continue", bytes: WebSocketWire.frame(.continuation, ping), code: 1002),
                Case(
                    name: "another frame instead of a continuation",
                    bytes: WebSocketWire.frame(.binary, [0xC0], isFinal: false) + WebSocketWire.frame(.binary, [0]),
                    code: 1002),
                Case(
                    name: "a fragmented ping", bytes: WebSocketWire.frame(.ping, [1], isFinal: false), code: 1002),
                Case(
                    name: "a long ping", bytes: WebSocketWire.frame(.ping, Array(repeating: 1, count: 200)),
                    code: 1002),
                Case(
                    name: "behind a text frame nothing counts",
                    bytes: WebSocketWire.frame(.text, [0x61]) + WebSocketWire.frame(.binary, ping), code: 1003),
            ]
            for broken in cases {
                let said = try await talk(stack, broken.bytes)
                #expect(
                    said == [0x88, 2, UInt8(broken.code >> 8), UInt8(broken.code & 0xFF)], "\(broken.name): \(said)")
            }
            try await eventually("none is left") { try await stack.metric("martlet_mqtt_connections") == 0 }
            // A packet may take several frames, with a ping between them (sections 5.4 and 5.5).
            let fragments =
                WebSocketWire.frame(.binary, [0xC0], isFinal: false) + WebSocketWire.frame(.ping, [7])
                + WebSocketWire.frame(.continuation, [0])
            let answers = try await talk(stack, fragments, WebSocketWire.frame(.close, [3, 0xE8]))
            #expect(answers == [0x8A, 1, 7, 0x82, 2, 0xD0, 0, 0x88, 2, 3, 0xE8], "\(answers)")
        }
    }

    /// Connects, is let in, sends `bytes`, and the last of it once the answers to a PING and a PINGREQ have come.
    /// - Returns: what comes behind CONNACK, until the server closes.
    private func talk(_ stack: MQTTStack, _ bytes: [UInt8], _ last: [UInt8] = []) async throws -> [UInt8] {
        let connect = WebSocketWire.bytes(.connect(stack.connect(stack.things.publisher, "web")))
        return try await wire(port: stack.webSocketPort) { connection in
            try connection.send(WebSocketWire.request)
            let response = try connection.readResponse()
            guard response.status == 101 else {
                throw RawConnection.Failure.endedBefore("101", received: "\(response)")
            }
            try connection.send(WebSocketWire.frame(.binary, connect))
            let head = try connection.read(2)
            _ = try connection.read(Int(head[1]))
            try connection.send(bytes)
            guard !last.isEmpty else { return try connection.readUntilClosed() }
            let answers = try connection.read(7)
            try connection.send(last)
            return answers + (try connection.readUntilClosed())
        }
    }

    @Test func requestsThatAreTooLargeAreRefused() async throws {
        try await withMQTT { stack in
            let before = try await stack.residentBytes()
            let line = "X-Filler: " + String(repeating: "a", count: 4_000) + "\r\n"
            let upgrade = "GET /mqtt HTTP/1.1\r\nHost: a\r\n"
            let requests = [
                upgrade + String(repeating: line, count: 200) + "\r\n",
                upgrade + "X-Filler: " + String(repeating: "a", count: 1 << 20) + "\r\n\r\n",
                "GET /mqtt?" + String(repeating: "a", count: 1 << 20) + " HTTP/1.1\r\nHost: a\r\n\r\n",
                upgrade + String(repeating: "X: 1\r\n", count: 5_000) + "\r\n",
            ]
            for request in requests {
                for _ in 0..<8 {
                    let said = try await wire(port: stack.webSocketPort) { connection in
                        // It may be closed before everything was sent.
                        try? connection.send(request)
                        return String(decoding: try connection.readUntilClosed(), as: UTF8.self)
                    }
                    let isRefused = said.isEmpty || said.hasPrefix("HTTP/1.1 4")
                    #expect(isRefused, "\(said.prefix(100))")
                }
            }
            let grown = try await stack.residentBytes() - before
            #expect(grown < 16 << 20, "\(grown) bytes")
            try await eventually("none is left") { try await stack.metric("martlet_mqtt_connections") == 0 }
        }
    }

    @Test func pingsOfAClientThatDoesNotReadTakeNoMemory() async throws {
        try await withMQTT(["connect-timeout-milliseconds": "60000"]) { stack in
            let control = try await stack.client(stack.things.listener, "control")
            let before = try await stack.residentBytes()
            let ping = WebSocketWire.frame(.ping, Array(repeating: 1, count: 125))
            let burst = Array(repeating: ping, count: 8_000).flatMap { $0 }
            try await wire(port: stack.webSocketPort, receiveBufferBytes: 4_096) { connection in
                try connection.send(WebSocketWire.request)
                // Sixteen times a mebibyte, whose answers nobody reads.
                for _ in 0..<16 { try connection.send(burst) }
                connection.shutDownSending()
            }
            try await eventually("all of it was read") { try await stack.metric("martlet_mqtt_connections") == 1 }
            let grown = try await stack.residentBytes() - before
            #expect(grown < 12 << 20, "\(grown) bytes")
            try await control.send(.pingRequest)
            #expect(try await control.next() == .pingResponse)
        }
    }
}
