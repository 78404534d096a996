// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// `$SYS/…`: what it says, and who may read it.
@Suite(.serialized) struct SystemTopicsTests {
    /// [MQTT-4.7.2-1]
    @Test(arguments: [true, false])
    func readersGetTheFigures(byDomain: Bool) async throws {
        let naming = { (things: ThingsByContract) in
            ["sys-interval-seconds": "1"].merging([
                "sys-readers": byDomain ? "\(ThingID.new()) \(things.domain)" : "\(things.publisher.id)"
            ]) { _, new in new }
        }
        try await withMQTT(naming: naming) { stack in
            let reader = try await stack.client(stack.things.publisher, "reader")
            let everything = try await stack.client(stack.things.publisher, "everything")
            #expect(try await everything.subscribe("#", "+/#", identifier: 2) == [.grantedQoS2, .grantedQoS2])
            #expect(try await reader.subscribe("$SYS/#", subscriptionIdentifier: 7) == [.grantedQoS2])
            var retained: [String: String] = [:]
            var later: [String: String] = [:]
            try await eventually("what there is comes, and then what changes") {
                while let message = try? await reader.nextMessage(deadline: .milliseconds(200)) {
                    #expect(message.topic.hasPrefix("$SYS/broker/") && message.qos == .atMostOnce)
                    #expect(message.properties.subscriptionIdentifiers == [7])
                    let text = String(buffer: message.payload)
                    if message.retain { retained[message.topic] = text } else { later[message.topic] = text }
                }
                return later["$SYS/broker/clients/connected"] == "2"
                    && later["$SYS/broker/subscriptions/count"] == "3"
            }
            #expect(retained["$SYS/broker/version"]?.hasPrefix("martlet ") == true)
            for name in [
                "uptime", "clients/total", "clients/disconnected", "publish/messages/received",
                "publish/messages/sent", "publish/messages/dropped", "bytes/received", "bytes/sent",
                "retained messages/count", "memory/resident", "load/publish/received/1min",
            ] {
                #expect(retained["$SYS/broker/\(name)"] != nil, "\(name)")
            }
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            try await publisher.publishAndWait(stack.topic(), "one", retain: true)
            try await eventually("it is counted") {
                let message = try await reader.nextMessage()
                later[message.topic] = String(buffer: message.payload)
                return later["$SYS/broker/publish/messages/received"] == "1"
                    && later["$SYS/broker/retained messages/count"] == "1"
            }
            let others = everything.received.compactMap { packet -> String? in
                if case .publish(let publish) = packet { publish.topic } else { nil }
            }
            #expect(others.allSatisfy { !$0.hasPrefix("$SYS") })
            // One topic of them, and what is not shared.
            let one = try await stack.client(stack.things.publisher, "one", version: .v311)
            #expect(try await one.subscribe("$SYS/broker/version").first == .grantedQoS2)
            let message = try await one.nextMessage()
            #expect(message.topic == "$SYS/broker/version" && message.retain)
            #expect(try await one.subscribe("$share/g/$SYS/#", identifier: 2).first == .unspecifiedError)
        }
    }

    @Test func nobodyElseDoes() async throws {
        let naming = { (things: ThingsByContract) in ["sys-readers": "\(things.publisher.id)"] }
        try await withMQTT(naming: naming) { stack in
            let other = try await stack.client(stack.things.listener, "other")
            #expect(
                try await other.subscribe("$SYS/#", "$SYS/broker/version", "$SYS")
                    == [.notAuthorized, .notAuthorized, .notAuthorized])
            #expect(try await stack.metric(#"martlet_mqtt_refused_total{reason="subscribe-not-authorized"}"#) == 3)
            let reader = try await stack.client(stack.things.publisher, "reader")
            #expect(
                try await reader.publishAndWait("$SYS/broker/version", "mine") == .topicNameInvalid)
        }
    }

    @Test func withoutReadersThereIsNone() async throws {
        try await withMQTT { stack in
            let client = try await stack.client(stack.things.publisher, "client")
            #expect(try await client.subscribe("$SYS/#") == [.notAuthorized])
        }
    }

    @Test func aSessionThatIsKeptReadsAgain() async throws {
        let naming = { (things: ThingsByContract) in
            ["sys-interval-seconds": "1", "sys-readers": "\(things.publisher.id)"]
        }
        try await withMQTT(naming: naming) { stack in
            let client = try await stack.client(stack.things.publisher, "kept", expiry: 3_600)
            try await client.subscribe("$SYS/broker/uptime")
            try await client.disconnect()
            await stack.kill()
            try await stack.startAgain()
            let again = try await stack.client(stack.things.publisher, "kept", cleanStart: false, expiry: 3_600)
            #expect(again.isSessionPresent)
            #expect(try await again.nextMessage().topic == "$SYS/broker/uptime")
        }
    }
}
