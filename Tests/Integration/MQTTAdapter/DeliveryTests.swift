// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

import class Foundation.FileManager

/// Publish and subscribe, every QoS on both sides, both versions.
@Suite(.serialized) struct DeliveryTests {
    @Test(arguments: ProtocolVersion.allCases)
    func everyQoSReachesEveryQoS(version: ProtocolVersion) async throws {
        try await withMQTT { stack in
            let publisher = try await stack.client(stack.things.publisher, "publisher", version: version)
            for subscribed in QualityOfService.allCases {
                let subscriber = try await stack.client(
                    stack.things.listener, "subscriber-\(subscribed)", version: version)
                #expect(try await subscriber.subscribe(stack.topic("#"), qos: subscribed) == [granted(subscribed)])
                for published in QualityOfService.allCases {
                    let text = "\(published) to \(subscribed)"
                    try await send(text, on: stack.topic("a/b"), published, by: publisher)
                    let message = try await subscriber.nextMessage()
                    #expect(String(buffer: message.payload) == text)
                    #expect(message.topic == stack.topic("a/b"))
                    // [MQTT-3.8.4-8]: the lesser of both.
                    #expect(message.qos == min(published, subscribed))
                    #expect(!message.retain && !message.isDuplicate)
                    try await answer(message, by: subscriber)
                }
                try await subscriber.disconnect()
            }
            let stored = try await stack.stored()
            #expect(stored.count == 9)
            #expect(stored.allSatisfy { $0.transport == .mqtt && $0.subtopic == "a.b" })
            #expect(stored.map { $0.mqtt?.qos } == [0, 1, 2, 0, 1, 2, 0, 1, 2])
        }
    }

    @Test func manyMessagesOfOneReadComeInOrderAndOnce() async throws {
        try await withMQTT { stack in
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            let same = try await stack.client(stack.things.listener, "same")
            let other = try await stack.client(stack.things.listener, "other", version: .v311)
            let named = try await stack.client(stack.things.listener, "named")
            try await same.subscribe(stack.topic("#"))
            try await other.subscribe(stack.topic("+"))
            try await named.subscribe(stack.topic("t"), subscriptionIdentifier: 7)
            let count = 2_000
            var bytes = ByteBuffer()
            for number in 0..<count {
                let publish = Publish(topic: stack.topic("t"), payload: ByteBuffer(string: "\(number)"))
                Packet.publish(publish).encode(into: &bytes, version: .v5)
            }
            try await publisher.send(bytes: Array(bytes.readableBytesView))
            for subscriber in [same, other, named] {
                for number in 0..<count {
                    let message = try await subscriber.nextMessage()
                    #expect(String(buffer: message.payload) == "\(number)")
                    #expect(message.properties.subscriptionIdentifiers == (subscriber === named ? [7] : []))
                }
            }
            // What went straight to them does not come again by way of the stream.
            try await publisher.publishAndWait(stack.topic("t"), "end")
            for subscriber in [same, other, named] {
                #expect(String(buffer: try await subscriber.nextMessage().payload) == "end")
                #expect(subscriber.received.isEmpty)
            }
            let stored = try await stack.stored()
            #expect(stored.count == count + 1)
            #expect(stored.map { String(buffer: $0.payload) } == (0..<count).map(String.init) + ["end"])
        }
    }

    /// The bus has lost its disk: numbers begin again, below those that the subscription was made behind.
    @Test func aStreamThatBeginsAnewIsFollowedFromItsStart() async throws {
        try await withMQTT { stack in
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            for number in 0..<20 { try await publisher.publishAndWait(stack.topic(), "\(number)") }
            let subscriber = try await stack.client(stack.things.listener, "subscriber")
            try await subscriber.subscribe(stack.topic("#"), qos: .atLeastOnce)
            try await stack.stopBus()
            try FileManager.default.removeItem(atPath: stack.directory.file("bus"))
            try await stack.startBus()
            // Without a bus they are refused.
            try await eventually("publishes are taken again") {
                try await publisher.publishAndWait(stack.topic(), "again") == .success
            }
            #expect(String(buffer: try await subscriber.nextMessage().payload) == "again")
        }
    }

    private func granted(_ qos: QualityOfService) -> ReasonCode {
        switch qos {
        case .atMostOnce: .success
        case .atLeastOnce: .grantedQoS1
        case .exactlyOnce: .grantedQoS2
        }
    }
}

/// Publishes and goes through the whole exchange.
func send(_ text: String, on topic: String, _ qos: QualityOfService, by client: MQTTClient) async throws {
    switch qos {
    case .atMostOnce: try await client.publish(topic, text)
    case .atLeastOnce: #expect(try await client.publishAndWait(topic, text, identifier: 10) == .success)
    case .exactlyOnce:
        try await client.publish(topic, text, qos: .exactlyOnce, identifier: 11)
        #expect(try await client.next() == .pubRec(Acknowledgement(packetIdentifier: 11)))
        try await client.send(.pubRel(Acknowledgement(packetIdentifier: 11)))
        #expect(try await client.next() == .pubComp(Acknowledgement(packetIdentifier: 11)))
    }
}

/// Acknowledges a message as its QoS asks for.
func answer(_ message: Publish, by client: MQTTClient) async throws {
    let acknowledgement = Acknowledgement(packetIdentifier: message.packetIdentifier)
    switch message.qos {
    case .atMostOnce: break
    case .atLeastOnce: try await client.send(.pubAck(acknowledgement))
    case .exactlyOnce:
        try await client.send(.pubRec(acknowledgement))
        #expect(try await client.next() == .pubRel(acknowledgement))
        try await client.send(.pubComp(acknowledgement))
    }
}

/// The next message, acknowledged; what is released before it comes is completed, as the next message need not wait for that.
func takeMessage(_ subscriber: MQTTClient) async throws -> Publish {
    while true {
        switch try await subscriber.next() {
        case .publish(let message):
            let acknowledgement = Acknowledgement(packetIdentifier: message.packetIdentifier)
            switch message.qos {
            case .atMostOnce: break
            case .atLeastOnce: try await subscriber.send(.pubAck(acknowledgement))
            case .exactlyOnce: try await subscriber.send(.pubRec(acknowledgement))
            }
            return message
        case .pubRel(let release):
            try await subscriber.send(.pubComp(Acknowledgement(packetIdentifier: release.packetIdentifier)))
        case let other: Issue.record("\(other)")
        }
    }
}
