// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// Who may do what, refused in the protocol's terms, and rights that end on live connections.
@Suite(.serialized) struct RightsTests {
    @Test(arguments: ProtocolVersion.allCases)
    func strangersAreNotLetIn(version: ProtocolVersion) async throws {
        try await withMQTT { stack in
            var wrong = stack.connect(stack.things.publisher, "a", version: version)
            wrong.password = Array("not-a-key".utf8)
            #expect(try await connAck(wrong, stack) == .badUserNameOrPassword)
            // The key of another thing than the user name says.
            var foreign = stack.connect(stack.things.publisher, "b", version: version)
            foreign.password = Array(stack.things.listener.key.utf8)
            let refusal = try await connAck(foreign, stack)
            #expect([.badUserNameOrPassword, .notAuthorized].contains(refusal))
            var nameless = stack.connect(stack.things.publisher, "c", version: version)
            nameless.userName = nil
            nameless.password = nil
            #expect(try await connAck(nameless, stack) == .badUserNameOrPassword)
            if version == .v5 {
                var enhanced = stack.connect(stack.things.publisher, "d")
                enhanced.properties.authenticationMethod = "SCRAM-SHA-256"
                // [MQTT-4.12.0-1]
                #expect(try await connAck(enhanced, stack) == .badAuthenticationMethod)
            }
        }
    }

    @Test func whatIsNotAllowedIsRefusedWithItsReason() async throws {
        try await withMQTT { stack in
            let sender = try await stack.client(stack.things.sender, "sender")
            let listener = try await stack.client(stack.things.listener, "listener")
            let elsewhere = ChannelID.new()
            #expect(
                try await sender.subscribe(
                    stack.topic(), "channels/\(elsewhere)/messages", "somewhere/else", "m/x/c", identifier: 5)
                    == [.notAuthorized, .topicFilterInvalid, .topicFilterInvalid, .topicFilterInvalid])
            #expect(try await listener.publishAndWait(stack.topic(), "no") == .notAuthorized)
            #expect(try await sender.publishAndWait("channels/\(elsewhere)/messages", "no") == .topicNameInvalid)
            #expect(try await sender.publishAndWait("somewhere/else", "no") == .topicNameInvalid)
            // QoS 0 has no answer: it is counted.
            try await listener.publish(stack.topic(), "no")
            var broken = Properties()
            broken.contentType = "application/senml+json"
            #expect(
                try await sender.publishAndWait(stack.topic(), #"[{"v":1}]"#, properties: broken)
                    == .payloadFormatInvalid)
            #expect(try await sender.publishAndWait(stack.topic(), #"[{"n":"t","v":1}]"#) == .success)
            let stored = try await stack.stored()
            #expect(stored.map(\.contentType) == [.senmlJSON])
            #expect(try await stack.metric(#"martlet_mqtt_refused_total{reason="outside-tree"}"#) == 1)
            // MQTT 3.1.1 cannot be told no: the connection ends, nothing is acknowledged ([MQTT-3.3.5-2 of 3.1.1]).
            let old = try await stack.client(stack.things.listener, "old", version: .v311)
            try await old.publish(stack.topic(), "no", qos: .atLeastOnce, identifier: 3)
            try await old.waitUntilClosed()
            #expect(old.received.isEmpty)
        }
    }

    @Test func aFilterOverAllChannelsBringsOnlyWhatMayBeRead() async throws {
        try await withMQTT { stack in
            let all = try await stack.client(stack.things.listener, "all")
            let blind = try await stack.client(stack.things.sender, "blind")
            for client in [all, blind] {
                #expect(
                    try await client.subscribe("#", "channels/+/messages/t", "m/+/c/+/#") == [
                        .grantedQoS2, .grantedQoS2, .grantedQoS2,
                    ])
            }
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            for qos in QualityOfService.allCases {
                try await send("to all", on: stack.topic("t"), qos, by: publisher)
                let messages = [try await all.nextMessage(), try await all.nextMessage()]
                for message in messages { try await answer(message, by: all) }
                let topics = Set(messages.map(\.topic))
                #expect(
                    topics == [stack.topic("t"), "m/\(stack.things.domain)/c/\(stack.things.channel)/t"])
            }
            try await blind.send(.pingRequest)
            #expect(try await blind.next() == .pingResponse)
            #expect(try await all.subscribe("m/\(DomainID.new())/c/+/#", identifier: 2) == [.notAuthorized])
        }
    }

    @Test func rightsThatEndEndOnLiveConnections() async throws {
        try await withMQTT { stack in
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            try await publisher.publishAndWait(stack.topic(), "before")
            let listener = try await stack.client(stack.things.listener, "listener")
            try await listener.subscribe(stack.topic("#"))
            try await stack.things.disconnect(stack.things.listener)
            guard case .disconnect(let end) = try await listener.next() else { throw MQTTClient.Closed() }
            #expect(end.reason == .notAuthorized)
            try await listener.waitUntilClosed()
            try await stack.things.narrow(stack.things.publisher)
            try await eventually("the right to publish is gone") {
                try await publisher.publishAndWait(stack.topic(), "after") == .notAuthorized
            }
            try await stack.things.disable(stack.things.publisher)
            guard case .disconnect(let last) = try await publisher.next() else { throw MQTTClient.Closed() }
            #expect(last.reason == .notAuthorized)
            #expect(
                try await connAck(stack.connect(stack.things.publisher, "again"), stack) == .badUserNameOrPassword)
        }
    }

    private func connAck(_ connect: Connect, _ stack: MQTTStack) async throws -> ReasonCode {
        let client = try await MQTTClient.connect(port: stack.port, version: connect.version)
        try await client.send(.connect(connect))
        guard case .connAck(let answer) = try await client.next() else { throw MQTTClient.Closed() }
        if answer.reason != .success { try await client.waitUntilClosed() }
        return answer.reason
    }
}
