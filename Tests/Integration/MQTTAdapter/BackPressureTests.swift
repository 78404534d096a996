// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import TestKit
import Testing

/// Many publish to one that cannot take it at once.
@Suite(.serialized) struct BackPressureTests {
    private static let publishers = 10
    private static let messages = 400
    private static let payload = String(repeating: "x", count: 2_000)

    /// 8 MB for a client for which 512 KiB may wait: publishers are held up instead, whatever they send with.
    @Test(arguments: QualityOfService.allCases)
    func aClientThatReadsGetsEverything(qos: QualityOfService) async throws {
        let settings = [
            "client-queue-maximum-bytes": "524288", "session-queue-memory-bytes": "524288",
            // Longer than any machine takes.
            "client-patience-milliseconds": "60000",
        ]
        try await withMQTT(settings) { stack in
            let subscriber = try await stack.client(stack.things.listener, "subscriber")
            try await subscriber.subscribe(stack.topic("#"), qos: qos)
            try await withThrowingTaskGroup { group in
                for number in 0..<Self.publishers {
                    group.addTask { try await publish(as: number, qos, on: stack) }
                }
                var next = [Int](repeating: 0, count: Self.publishers)
                for _ in 0..<Self.publishers * Self.messages {
                    let message = try await takeMessage(subscriber)
                    let parts = String(buffer: message.payload).split(separator: " ").prefix(2).compactMap { Int($0) }
                    try #require(parts.count == 2 && parts[1] == next[parts[0]])
                    next[parts[0]] += 1
                }
                #expect(next.allSatisfy { $0 == Self.messages })
                try await group.waitForAll()
            }
            #expect(try await stack.metric("martlet_mqtt_outwaited_total") == 0)
            #expect(try await stack.metric("martlet_mqtt_slow_clients_total") == 0)
        }
    }

    /// It is waited for once, for a moment; then it is dealt with by itself.
    @Test(arguments: [QualityOfService.atMostOnce, .atLeastOnce])
    func aClientThatDoesNotReadHoldsNobodyUp(qos: QualityOfService) async throws {
        let settings = ["client-queue-maximum-bytes": "65536", "session-queue-memory-bytes": "65536"]
        try await withMQTT(settings) { stack in
            let subscriber = try await stack.client(stack.things.listener, "subscriber")
            try await subscriber.subscribe(stack.topic("#"), qos: .atMostOnce)
            let stuck = try await stack.client(stack.things.listener, "stuck")
            try await stuck.subscribe(stack.topic("#"), qos: qos)
            try await stuck.setReading(false)
            // One after the other, so that the subscriber's own buffer is never full.
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            for number in 0..<800 {
                try await publisher.publishAndWait(
                    stack.topic(), "0 \(number) " + String(repeating: Self.payload, count: 10))
                #expect(String(buffer: try await subscriber.nextMessage().payload).hasPrefix("0 \(number) "))
            }
            #expect(try await stack.metric("martlet_mqtt_outwaited_total") >= 1)
            if qos == .atMostOnce {
                #expect(try await stack.metric("martlet_mqtt_dropped_total{reason=\"slow-client\"}") > 0)
            } else {
                #expect(try await stack.metric("martlet_mqtt_slow_clients_total") == 1)
            }
            #expect(try await stack.stored().count == 800)
        }
    }

    /// Sends everything in one go, as MQTT 3.1.1 allows, and waits for what is owed to it.
    private func publish(as number: Int, _ qos: QualityOfService, on stack: MQTTStack) async throws {
        let client = try await stack.client(stack.things.publisher, "publisher-\(number)", version: .v311)
        var bytes = ByteBuffer()
        for message in 0..<Self.messages {
            let publish = Publish(
                topic: stack.topic("p\(number)"), payload: ByteBuffer(string: "\(number) \(message) " + Self.payload),
                qos: qos, packetIdentifier: qos == .atMostOnce ? 0 : UInt16(message + 1))
            Packet.publish(publish).encode(into: &bytes, version: .v311)
        }
        try await client.send(bytes: Array(bytes.readableBytesView))
        guard qos != .atMostOnce else { return }
        for message in 0..<Self.messages {
            let identifier = UInt16(message + 1)
            switch try await client.next() {
            case .pubAck(let answer): #expect(qos == .atLeastOnce && answer.packetIdentifier == identifier)
            case .pubRec(let answer): #expect(qos == .exactlyOnce && answer.packetIdentifier == identifier)
            case let other: Issue.record("\(other)")
            }
        }
    }
}
