// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

import class Foundation.Thread

/// Clients that begin something and never end it are cut off when their time is over, and until then nobody else notices them.
@Suite(.serialized) struct UnfinishedTests {
    /// What is sent at once, and whether one byte after the other follows it.
    private struct Beginning: Sendable {
        let name: String
        let port: Int
        let bytes: [UInt8]
        var drips = false
    }

    @Test func beginningsWithoutAnEndAreCutOff() async throws {
        try await withMQTT(["connect-timeout-milliseconds": "1000"], tls: true) { stack in
            let control = try await stack.client(stack.things.listener, "control")
            try await control.subscribe(stack.topic("#"))
            // Remaining length 200, and less than that.
            let half: [UInt8] = [0x10, 0xC8, 0x01, 0, 4] + Array("MQTT".utf8) + [5, 2, 0, 60, 0]
            let hello: [UInt8] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]
            let upgrade = Array("GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n".utf8)
            let beginnings = [
                Beginning(name: "nothing", port: stack.port, bytes: []),
                Beginning(name: "half a CONNECT", port: stack.port, bytes: half),
                Beginning(name: "a dripping CONNECT", port: stack.port, bytes: half, drips: true),
                Beginning(name: "no TLS handshake", port: stack.tlsPort, bytes: []),
                Beginning(name: "half a TLS handshake", port: stack.tlsPort, bytes: hello),
                Beginning(name: "a dripping TLS handshake", port: stack.tlsPort, bytes: hello, drips: true),
                Beginning(name: "no WebSocket request", port: stack.webSocketPort, bytes: []),
                Beginning(name: "half a WebSocket request", port: stack.webSocketPort, bytes: upgrade),
                Beginning(
                    name: "a dripping WebSocket request", port: stack.webSocketPort, bytes: upgrade + Array("X: ".utf8),
                    drips: true),
                Beginning(
                    name: "a WebSocket without MQTT", port: stack.webSocketPort,
                    bytes: Array(WebSocketWire.request.utf8)),
                Beginning(
                    name: "half a WebSocket frame", port: stack.webSocketPort,
                    bytes: Array(WebSocketWire.request.utf8) + [0x82, 0xFE, 1, 0, 1, 2]),
            ]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for beginning in beginnings {
                    for _ in 0..<3 {
                        group.addTask {
                            let said = try await wire(port: beginning.port) { connection in
                                try connection.send(beginning.bytes)
                                // Ends when the server has closed the connection, at the latest with the test.
                                for _ in 0..<1_000 where beginning.drips {
                                    guard (try? connection.send([0x61])) != nil else { break }
                                    Thread.sleep(forTimeInterval: 0.02)
                                }
                                return try connection.readUntilClosed()
                            }
                            // Nobody gets in by it.
                            #expect(!said.starts(with: [0x20, 2]), "\(beginning.name): \(said)")
                        }
                    }
                }
                // Beside them everybody is served.
                let publisher = try await stack.client(stack.things.publisher, "publisher")
                for number in 0..<50 {
                    #expect(try await publisher.publishAndWait(stack.topic(), "\(number)") == .success)
                    let message = try await control.nextMessage()
                    #expect(String(buffer: message.payload) == "\(number)")
                    try await answer(message, by: control)
                }
                try await publisher.disconnect()
                try await group.waitForAll()
            }
            try await eventually("only the control client is left") {
                try await stack.metric("martlet_mqtt_connections") == 1
            }
            // All of them: refused for their slowness, with nothing else to blame.
            #expect(
                try await stack.metric(#"martlet_mqtt_refused_total{reason="connect-timeout"}"#)
                    == Double(3 * beginnings.count))
        }
    }

    @Test func connectionsCountBeforeTheyAreUpgraded() async throws {
        try await withMQTT(["connections-maximum": "6"]) { stack in
            let control = try await stack.client(stack.things.listener, "control")
            var silent: [RawConnection] = []
            for _ in 0..<20 { silent.append(try RawConnection(port: stack.webSocketPort)) }
            let refused = #"martlet_mqtt_refused_total{reason="too-many-connections"}"#
            try await eventually("those beyond the limit are refused") { try await stack.metric(refused) == 15 }
            #expect(try await stack.metric("martlet_mqtt_connections") == 6)
            try await control.send(.pingRequest)
            #expect(try await control.next() == .pingResponse)
            silent.removeAll()
            try await eventually("they made room") { try await stack.metric("martlet_mqtt_connections") == 1 }
        }
    }

    @Test(arguments: ProtocolVersion.allCases)
    func whoVanishesIsMissedAfterItsKeepAlive(version: ProtocolVersion) async throws {
        try await withMQTT { stack in
            let control = try await stack.client(stack.things.listener, "control")
            try await control.subscribe(stack.topic("#"))
            let will = Will(topic: stack.topic("will"), payload: ByteBuffer(string: "gone"))
            // Nothing more comes from it, and its socket stays open until the end.
            let vanished = try await stack.client(
                stack.connect(stack.things.publisher, "vanished", version: version, keepAlive: 1, will: will))
            #expect(String(buffer: try await control.nextMessage().payload) == "gone")
            try await vanished.waitUntilClosed()
            let reason: ReasonCode = .keepAliveTimeout
            #expect(try await stack.metric(#"martlet_mqtt_ended_total{reason="\#(reason.name)"}"#) == 1)
            if version == .v5 {
                guard case .disconnect(let packet) = try await vanished.next() else { throw MQTTClient.Closed() }
                #expect(packet.reason == reason)
            }
            #expect(try await stack.metric("martlet_mqtt_connections") == 1)
        }
    }

    @Test func halfClosedConnectionsEndOnceWhatTheySentIsTaken() async throws {
        try await withMQTT { stack in
            let control = try await stack.client(stack.things.listener, "control")
            try await control.subscribe(stack.topic("#"))
            let will = Will(topic: stack.topic("will"), payload: ByteBuffer(string: "gone"))
            let connect = stack.connect(stack.things.publisher, "half", version: .v311, keepAlive: 0, will: will)
            let publish = Publish(
                topic: stack.topic("last"), payload: ByteBuffer(string: "said"), qos: .atLeastOnce,
                packetIdentifier: 1)
            var bytes = ByteBuffer()
            Packet.connect(connect).encode(into: &bytes, version: .v311)
            Packet.publish(publish).encode(into: &bytes, version: .v311)
            let sent = Array(bytes.readableBytesView)
            _ = try await wire(port: stack.port) { connection in
                try connection.send(sent)
                connection.shutDownSending()
                return try connection.readUntilClosed()
            }
            let came = [try await control.nextMessage(), try await control.nextMessage()]
            #expect(came.map { String(buffer: $0.payload) }.sorted() == ["gone", "said"])
            #expect(try await stack.stored().contains { String(buffer: $0.payload) == "said" })
            try await eventually("it is gone") { try await stack.metric("martlet_mqtt_connections") == 1 }
        }
    }
}
