// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import TestKit
import Testing

import class Foundation.Thread

/// Subscribers that do not read, or too slowly: they are cut off when they take nothing, memory is bounded, others notice nothing.
@Suite(.serialized) struct SlowReaderTests {
    private static let settings = ["stall-timeout-milliseconds": "1000"]

    @Test(arguments: QualityOfService.allCases)
    func whoDoesNotReadIsCutOffAndDisturbsNobody(qos: QualityOfService) async throws {
        try await withMQTT(Self.settings) { stack in
            let deaf = try await deafSubscriber(stack, "deaf", qos: qos, keepAlive: 0)
            let control = try await stack.client(stack.things.listener, "control")
            try await control.subscribe(stack.topic("#"))
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            let before = try await stack.residentBytes()
            let filler = String(repeating: "x", count: 64 << 10)
            let count = 150
            let publishing = Task {
                for number in 0..<count {
                    try await publisher.publish(
                        stack.topic("t"), "\(number) \(filler)", qos: qos, identifier: UInt16(number + 1))
                    if qos != .atMostOnce { try await finishPublishing(by: publisher) }
                }
            }
            for number in 0..<count {
                let text = String(buffer: try await takeMessage(control).payload)
                #expect(text.hasPrefix("\(number) "), "\(text.prefix(20)) instead of \(number)")
            }
            try await publishing.value
            // Nothing more comes for it, and it has still taken nothing.
            try await eventually("it is cut off") { try await stack.metric("martlet_mqtt_connections") == 2 }
            #expect(try await stack.metric("martlet_mqtt_slow_clients_total") == 1)
            let grown = try await stack.residentBytes() - before
            #expect(grown < 40 << 20, "\(grown) bytes")
            #expect(!control.isClosed && !publisher.isClosed)
            withExtendedLifetime(deaf) {}
        }
    }

    /// Reads, but acknowledges nothing: it can be told.
    @Test(arguments: [QualityOfService.atLeastOnce, .exactlyOnce])
    func whoDoesNotAcknowledgeIsToldSo(qos: QualityOfService) async throws {
        try await withMQTT(["session-queue-memory-bytes": "65536", "inflight-maximum": "8"]) { stack in
            let silent = try await stack.client(stack.things.listener, "silent")
            try await silent.subscribe(stack.topic("#"), qos: qos)
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            let filler = String(repeating: "x", count: 1_000)
            for _ in 0..<100 { try await send(filler, on: stack.topic(), qos, by: publisher) }
            for _ in 0..<8 { #expect(try await silent.nextMessage().qos == qos) }
            guard case .disconnect(let packet) = try await silent.next() else { throw MQTTClient.Closed() }
            #expect(packet.reason == .quotaExceeded)
            try await silent.waitUntilClosed()
            #expect(try await stack.metric("martlet_mqtt_slow_clients_total") == 1)
        }
    }

    @Test func whoReadsSlowlyButSteadilyIsNotCutOff() async throws {
        try await withMQTT(Self.settings) { stack in
            let slow = try await deafSubscriber(stack, "slow", qos: .atMostOnce, keepAlive: 0)
            let control = try await stack.client(stack.things.listener, "control")
            try await control.subscribe(stack.topic("#"))
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            // More than the kernel's buffers hold and than may wait in memory beside them.
            let filler = String(repeating: "x", count: 64 << 10)
            for _ in 0..<120 {
                try await publisher.publish(stack.topic("t"), filler)
                _ = try await control.nextMessage()
            }
            // 160 KiB a second for five seconds: what waits takes longer than the time-out.
            let taken = try await wire(slow) { connection in
                var taken = 0
                while taken < 800 << 10 {
                    Thread.sleep(forTimeInterval: 0.025)
                    let bytes = try connection.readSome(4 << 10)
                    if bytes.isEmpty { break }
                    taken += bytes.count
                }
                return taken
            }
            #expect(taken >= 800 << 10)
            #expect(try await stack.metric("martlet_mqtt_slow_clients_total") == 0)
            #expect(try await stack.metric("martlet_mqtt_connections") == 3)
        }
    }

    /// Answers wait as well as messages: whoever asks and does not read is not read on.
    @Test func answersOfAClientThatDoesNotReadAreBounded() async throws {
        let settings = ["stall-timeout-milliseconds": "3000", "client-queue-maximum-bytes": "65536"]
        try await withMQTT(settings) { stack in
            let control = try await stack.client(stack.things.listener, "control")
            // Refused with a reason string that is longer than the question.
            let request = Subscribe.Request(try TopicFilter("x"), SubscriptionOptions())
            let question = Packet.subscribe(Subscribe(packetIdentifier: 1, requests: [request]))
            try await control.send(question)
            let answer = WebSocketWire.bytes(try await control.next()).count
            let burst = Array(repeating: WebSocketWire.bytes(question), count: 8_000).flatMap { $0 }
            let connect = WebSocketWire.bytes(.connect(stack.connect(stack.things.publisher, "asks")))
            try await wire(port: stack.port, receiveBufferBytes: 4_096) { connection in
                try connection.send(connect)
                // Ends when the server has cut it off.
                for _ in 0..<1_000 { guard (try? connection.send(burst)) != nil else { break } }
            }
            try await eventually("it is cut off") { try await stack.metric("martlet_mqtt_connections") == 1 }
            #expect(try await stack.metric("martlet_mqtt_slow_clients_total") == 1)
            let refused = #"martlet_mqtt_refused_total{reason="subscribe-topic-filter-invalid"}"#
            let answered = try await stack.metric(refused) * Double(answer)
            // What may wait, what one read may add to it, what the kernel holds.
            #expect(answered > 0 && answered < Double(2 << 20), "\(answered) bytes")
            try await control.send(.pingRequest)
            #expect(try await control.next() == .pingResponse)
        }
    }

    /// A client that subscribes to everything and reads nothing from then on.
    private func deafSubscriber(
        _ stack: MQTTStack, _ identifier: String, qos: QualityOfService, keepAlive: UInt16
    ) async throws -> RawConnection {
        let connect = stack.connect(stack.things.listener, identifier, keepAlive: keepAlive)
        let subscribe = Subscribe(
            packetIdentifier: 1,
            requests: [Subscribe.Request(try TopicFilter(stack.topic("#")), SubscriptionOptions(maximumQoS: qos))])
        let packets = WebSocketWire.bytes(.connect(connect)) + WebSocketWire.bytes(.subscribe(subscribe))
        let connection = try RawConnection(port: stack.port, receiveBufferBytes: 4_096)
        return try await wire(connection) { connection in
            try connection.send(packets)
            for _ in 0..<2 {
                let head = try connection.read(2)
                _ = try connection.read(Int(head[1]))
            }
            return connection
        }
    }

    /// The rest of an exchange of QoS 1 or 2.
    private func finishPublishing(by client: MQTTClient) async throws {
        switch try await client.next() {
        case .pubAck(let answer): #expect(answer.reason == .success)
        case .pubRec(let answer):
            #expect(answer.reason == .success)
            try await client.send(.pubRel(Acknowledgement(packetIdentifier: answer.packetIdentifier)))
            #expect(try await client.next() == .pubComp(Acknowledgement(packetIdentifier: answer.packetIdentifier)))
        case let packet: throw MQTTClient.Unexpected(packet: packet)
        }
    }
}
