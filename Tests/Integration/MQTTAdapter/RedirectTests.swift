// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import TestKit
import Testing

/// Where clients are sent when this server cannot serve them (MQTT 5 section 4.11).
@Suite(.serialized) struct RedirectTests {
    private let reference = "other.example.com:1883"

    private func connAck(_ connect: Connect, _ stack: MQTTStack) async throws -> ConnAck {
        let client = try await MQTTClient.connect(port: stack.port, version: connect.version)
        try await client.send(.connect(connect))
        guard case .connAck(let answer) = try await client.next() else { throw MQTTClient.Closed() }
        try await client.waitUntilClosed()
        return answer
    }

    @Test func whoIsTooManyIsSentElsewhere() async throws {
        try await withMQTT(["connections-maximum": "2", "redirect-reference": reference]) { stack in
            try await eventually("nobody is connected") { try await stack.metric("martlet_mqtt_connections") == 0 }
            let first = try await stack.client(stack.things.publisher, "first")
            let second = try await stack.client(stack.things.publisher, "second")
            let third = try await connAck(stack.connect(stack.things.publisher, "third"), stack)
            #expect(third.reason == .useAnotherServer && third.properties.serverReference == reference)
            let old = try await connAck(stack.connect(stack.things.publisher, "old", version: .v311), stack)
            #expect(old.reason == .serverUnavailable)
            let line = #"martlet_mqtt_connections_refused_total{listener="tcp",reason="too-many-connections"}"#
            #expect(try await stack.metric(line) == 2)
            // The others stay, and make room.
            try await first.send(.pingRequest)
            #expect(try await first.next() == .pingResponse)
            try await second.disconnect()
            try await eventually("there is room") { try await stack.metric("martlet_mqtt_connections") == 1 }
            try await stack.client(stack.things.publisher, "third").disconnect()
        }
    }

    @Test func withoutAReferenceWhoIsTooManyIsClosed() async throws {
        try await withMQTT(["connections-maximum": "1"]) { stack in
            try await eventually("nobody is connected") { try await stack.metric("martlet_mqtt_connections") == 0 }
            let first = try await stack.client(stack.things.publisher, "first")
            let answer = try await wire(port: stack.port) { try $0.readToEnd() }
            #expect(answer.isEmpty)
            try await first.disconnect()
        }
    }

    @Test(arguments: [true, false])
    func aServerThatStopsSaysWhere(hasReference: Bool) async throws {
        try await withMQTT(hasReference ? ["redirect-reference": reference] : [:]) { stack in
            let client = try await stack.client(stack.things.publisher, "client")
            let old = try await stack.client(stack.things.publisher, "old", version: .v311)
            try await stack.terminate()
            guard case .disconnect(let end) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(end.reason == (hasReference ? .useAnotherServer : .serverShuttingDown))
            #expect(end.properties.serverReference == (hasReference ? reference : nil))
            try await old.waitUntilClosed()
            #expect(old.received.isEmpty)
        }
    }
}
