// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import Synchronization
import TestKit
import Testing

/// kill -9 of the adapter and of the bus in the middle of traffic between sessions that are kept: nothing acknowledged is missing, QoS 2 comes once, in order.
@Suite(.serialized) struct KilledTests {
    @Test(arguments: [QualityOfService.atLeastOnce, .exactlyOnce])
    func nothingAcknowledgedIsLost(qos: QualityOfService) async throws {
        try await withMQTT { stack in
            let count = 300
            let subscriber = PersistentSubscriber(stack: stack, qos: qos)
            try await subscriber.subscribe()
            let receiving = Task { try await subscriber.receive(until: "end") }
            let publisher = PersistentPublisher(stack: stack, qos: qos)
            let publishing = Task { try await publisher.publish(count) }
            for round in 0..<4 {
                try await eventually("messages flow") { publisher.acknowledged >= (round + 1) * count / 6 }
                if round % 2 == 0 {
                    await stack.kill()
                    try await stack.startAgain()
                } else {
                    try await stack.killBus()
                }
            }
            try await publishing.value
            let received = try await receiving.value
            let numbers = received.compactMap { Int($0) }
            #expect(Set(numbers) == Set(0..<count))
            if qos == .exactlyOnce {
                #expect(numbers == Array(0..<count))
            } else {
                // Again is allowed, back is not: each is first seen in its order.
                var seen: Set<Int> = []
                #expect(numbers.filter { seen.insert($0).inserted } == Array(0..<count))
            }
            let stored = try await stack.stored().map { String(buffer: $0.payload) }.compactMap { Int($0) }
            #expect(Set(stored) == Set(0..<count))
            if qos == .exactlyOnce { #expect(stored == Array(0..<count)) }
        }
    }
}

/// A client that comes back whenever it is cut off, and publishes each message until it is acknowledged.
private actor PersistentPublisher {
    private let stack: MQTTStack
    private let qos: QualityOfService
    nonisolated let progress = Progress()

    init(stack: MQTTStack, qos: QualityOfService) {
        self.stack = stack
        self.qos = qos
    }

    nonisolated var acknowledged: Int { progress.value }

    func publish(_ count: Int) async throws {
        var client = try await connect()
        for number in 0...count {
            let text = number == count ? "end" : "\(number)"
            let identifier = UInt16(number % 1_000 + 1)
            var isRepeated = false
            // What the exchange still needs: PUBLISH until PUBREC, then PUBREL until PUBCOMP.
            var isReceived = false
            while true {
                do {
                    if !isReceived {
                        try await client.publish(
                            stack.topic("t"), text, qos: qos, identifier: identifier, isDuplicate: isRepeated)
                        isRepeated = true
                        let answer = try await client.next()
                        if qos == .atLeastOnce {
                            guard case .pubAck(let ack) = answer, ack.reason == .success else {
                                throw MQTTClient.Closed()
                            }
                            break
                        }
                        guard case .pubRec(let ack) = answer, ack.reason == .success else { throw MQTTClient.Closed() }
                        isReceived = true
                    }
                    try await client.send(.pubRel(Acknowledgement(packetIdentifier: identifier)))
                    guard case .pubComp = try await client.next() else { throw MQTTClient.Closed() }
                    break
                } catch {
                    client.close()
                    client = try await connect()
                }
            }
            progress.add()
        }
    }

    private func connect() async throws -> MQTTClient {
        let (stack, qos) = (stack, qos)
        return try await comeBack(stack, "publisher-\(qos)", stack.things.publisher)
    }
}

/// A session that is kept, whose client comes back whenever it is cut off.
private actor PersistentSubscriber {
    private let stack: MQTTStack
    private let qos: QualityOfService

    init(stack: MQTTStack, qos: QualityOfService) {
        self.stack = stack
        self.qos = qos
    }

    func subscribe() async throws {
        let client = try await stack.client(stack.things.listener, "subscriber-\(qos)", expiry: 3_600)
        try await client.subscribe(stack.topic("#"), qos: qos)
        try await client.disconnect()
    }

    /// What came, by the rules of a receiver: QoS 2 is taken once for an identifier until it is released.
    func receive(until last: String) async throws -> [String] {
        var received: [String] = []
        var held: Set<UInt16> = []
        while received.last != last {
            let client = try await comeBack(stack, "subscriber-\(qos)", stack.things.listener)
            do {
                while received.last != last {
                    switch try await client.next() {
                    case .publish(let message):
                        let acknowledgement = Acknowledgement(packetIdentifier: message.packetIdentifier)
                        if message.qos == .exactlyOnce {
                            if held.insert(message.packetIdentifier).inserted {
                                received.append(String(buffer: message.payload))
                            }
                            try await client.send(.pubRec(acknowledgement))
                        } else {
                            received.append(String(buffer: message.payload))
                            try await client.send(.pubAck(acknowledgement))
                        }
                    case .pubRel(let release):
                        held.remove(release.packetIdentifier)
                        try await client.send(.pubComp(Acknowledgement(packetIdentifier: release.packetIdentifier)))
                    default: throw MQTTClient.Closed()
                    }
                }
            } catch {}
            client.close()
        }
        return received
    }
}

private func comeBack(
    _ stack: MQTTStack, _ identifier: String, _ device: ThingsByContract.Device
) async throws -> MQTTClient {
    var found: MQTTClient?
    try await eventually("\(identifier) is let in again") {
        found = try? await stack.client(device, identifier, cleanStart: false, expiry: 3_600)
        return found != nil
    }
    guard let found else { throw MQTTClient.Closed() }
    return found
}

final class Progress: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func add() { count.withLock { $0 += 1 } }
}
