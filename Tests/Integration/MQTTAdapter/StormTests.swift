// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// A fleet that does everything at once is served as fast as it goes, and none of it refused. `bench mqtt --part storm` does the same with 19,000.
@Suite(.serialized) struct StormTests {
    @Test func aFleetComesBackAtOnceAfterACrash() async throws {
        // Shorter than all of them take: who waits for its turn is not late.
        try await withMQTT(["connect-timeout-milliseconds": "1000"]) { stack in
            let fleet = fleet(stack, 2_000, expiry: 3_600)
            fleet.connect()
            try await eventually("all are connected") { fleet.counts.accepted == fleet.count }
            fleet.send(try subscribe(stack))
            try await eventually("all have subscribed") {
                fleet.counts.subscribed == fleet.count || !fleet.counts.refusals.isEmpty
            }
            try #require(fleet.counts.refusals.first == nil)
            fleet.beginRound()
            await stack.kill()
            try await stack.startAgain()
            let before = try await stack.residentBytes()
            try await eventually("all are back") {
                let counts = fleet.counts
                return counts.connected == fleet.count && counts.accepted >= fleet.count
            }
            // Each has its session, with its subscription, and may publish at once.
            #expect(fleet.counts.present == fleet.counts.accepted)
            fleet.send(publish(stack, "back"))
            try await eventually("all were acknowledged") {
                fleet.counts.acknowledged == fleet.count || !fleet.counts.refusals.isEmpty
            }
            #expect(fleet.counts.refusals.first == nil)
            #expect(try await stack.metric("martlet_mqtt_subscriptions") == Double(fleet.count))
            let refused = try await refusals(stack)
            #expect(refused == [])
            let grown = try await stack.residentBytes() - before
            #expect(grown < 160 << 20, "\(grown) bytes")
            fleet.close()
        }
    }

    /// More questions at once than `things` is asked at a time.
    @Test func aFleetThatAsksForItsRightsAtOnceIsNotRefused() async throws {
        try await withMQTT { stack in
            let fleet = fleet(stack, 1_600, expiry: nil)
            fleet.connect()
            try await eventually("all are connected") { fleet.counts.accepted == fleet.count }
            stack.things.hold()
            fleet.send(publish(stack, "first"))
            try await eventually("things is asked") { stack.things.held >= 64 }
            stack.things.release()
            try await eventually("all were acknowledged") {
                fleet.counts.acknowledged == fleet.count || !fleet.counts.refusals.isEmpty
            }
            #expect(fleet.counts.refusals.first == nil)
            #expect(fleet.counts.connected == fleet.count)
            let refused = try await refusals(stack)
            #expect(refused == [])
            #expect(try await stack.stored().count == fleet.count)
            fleet.close()
        }
    }

    private func fleet(_ stack: MQTTStack, _ count: Int, expiry: UInt32?) -> Fleet {
        let connects = stack.things.add(count).enumerated().map { number, device in
            let version: ProtocolVersion = number % 2 == 0 ? .v5 : .v311
            return stack.connect(
                device, "device-\(number)", version: version, cleanStart: expiry == nil, keepAlive: 0, expiry: expiry)
        }
        return Fleet(port: stack.port, connects: connects)
    }

    private func subscribe(_ stack: MQTTStack) throws -> Packet {
        let request = Subscribe.Request(
            try TopicFilter(stack.topic("commands")), SubscriptionOptions(maximumQoS: .atLeastOnce))
        return .subscribe(Subscribe(packetIdentifier: 1, requests: [request]))
    }

    private func publish(_ stack: MQTTStack, _ text: String) -> Packet {
        .publish(
            Publish(
                topic: stack.topic("state"), payload: ByteBuffer(string: text), qos: .atLeastOnce, packetIdentifier: 2))
    }

    /// Lines of `/metrics` that count refusals.
    private func refusals(_ stack: MQTTStack) async throws -> [String] {
        try await HTTPClient(port: stack.httpPort).get("/metrics").text.split(separator: "\n").map(String.init).filter {
            $0.hasPrefix("martlet_mqtt_refused_total{") && !$0.hasSuffix(" 0")
        }
    }
}
