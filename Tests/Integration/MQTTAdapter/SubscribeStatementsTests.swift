// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// SUBSCRIBE, UNSUBSCRIBE and PINGREQ (MQTT 5 sections 3.8 to 3.13).
@Suite(.serialized, .sharedStack()) struct SubscribeStatementsTests {
    @Test("[MQTT-3.8.3-3] no local: nothing comes back to its publisher, and everything to others")
    func noLocal() async throws {
        let scene = try Scene()
        let client = try await scene.client("both", expiry: 60)
        let noLocal = SubscriptionOptions(maximumQoS: .exactlyOnce, noLocal: true)
        try await client.subscribe(scene.topic("#"), options: noLocal)
        let other = try await scene.client("other")
        try await other.subscribe(scene.topic("#"), qos: .atMostOnce)
        for qos in QualityOfService.allCases {
            try await send("own \(qos)", on: scene.topic(), qos, by: client)
            #expect(try await other.nextText() == "own \(qos)")
        }
        let publisher = try await scene.client("publisher")
        try await publisher.publishAndWait(scene.topic(), "another's")
        let message = try await client.nextMessage()
        #expect(String(buffer: message.payload) == "another's")
        try await answer(message, by: client)
        // A second subscription that does not mind brings it, by itself.
        try await client.subscribe(scene.topic("b"), identifier: 2, subscriptionIdentifier: 9)
        try await client.publish(scene.topic("b"), "own again")
        let own = try await client.nextMessage()
        #expect(String(buffer: own.payload) == "own again")
        #expect(own.properties.subscriptionIdentifiers == [9])
        // It holds on the session's next connection, and for what is retained.
        try await client.disconnect()
        let again = try await scene.client("both", cleanStart: false, expiry: 60)
        #expect(again.isSessionPresent)
        try await again.publishAndWait(scene.topic("kept"), "own", retain: true)
        try await again.subscribe(scene.topic("kept"), identifier: 3, options: noLocal)
        try await again.expectSilence()
        try await again.subscribe(scene.topic("kept"), identifier: 4)
        #expect(try await again.nextText() == "own")
    }

    // MARK: UNSUBSCRIBE

    @Test("what waits and matches another subscription as well stays when one of them ends")
    func overlapping() async throws {
        let scene = try Scene()
        var connect = scene.connect("listener")
        connect.properties.receiveMaximum = 1
        let client = try await scene.open(connect).client
        try await client.subscribe(scene.topic("a"), subscriptionIdentifier: 1)
        try await client.subscribe(scene.topic("+"), identifier: 2, subscriptionIdentifier: 2)
        let publisher = try await scene.client("publisher")
        for number in 1...3 { try await publisher.publishAndWait(scene.topic("a"), "\(number)") }
        let first = try await client.nextMessage()
        try await client.send(
            .unsubscribe(Unsubscribe(packetIdentifier: 5, filters: [try TopicFilter(scene.topic("a"))])))
        guard case .unsubAck = try await client.next() else { throw MQTTClient.Closed() }
        try await answer(first, by: client)
        for number in 2...3 {
            let message = try await client.nextMessage()
            #expect(String(buffer: message.payload) == "\(number)")
            try await answer(message, by: client)
        }
    }

    // MARK: What it is told
}
