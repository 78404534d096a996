// SPDX-License-Identifier: Apache-2.0
import Bus
import Logging
import MQTTAdapter
import Messaging
import NIOCore
import Synchronization
import TestKit
import Testing

/// The bus stops, loses its answers or has no room: nothing acknowledged is missing, QoS 2 is stored once, refusals are said in MQTT's terms.
@Suite(.serialized) struct BusFaultTests {
    private static func launch(_ proxy: Later<BusProxy>) -> MQTTLaunch {
        MQTTLaunch(
            busSocket: { directory in
                let path = directory.file("proxy.sock")
                let started = try await BusProxy.start(listeningOn: path, to: directory.file("bus.sock"))
                proxy.value.withLock { $0 = started }
                return path
            }, busArguments: ["--test-role", "true"])
    }

    @Test(arguments: ProtocolVersion.allCases)
    func qos2IsStoredOnceWhenTheBusesAnswerIsLost(version: ProtocolVersion) async throws {
        let holder = Later<BusProxy>()
        try await withMQTT(launch: Self.launch(holder)) { stack in
            let proxy = try #require(holder.value.withLock { $0 })
            let client = try await persistent(stack, version)
            proxy.mute()
            try await client.publish(stack.topic("once"), "message", qos: .exactlyOnce, identifier: 7)
            try await eventually("the bus has it") { try await stack.stored().contains { $0.subtopic == "once" } }
            proxy.cut()
            // Neither accepted nor refused: it comes again.
            try await client.waitUntilClosed()
            #expect(client.received.allSatisfy { if case .pubRec = $0 { false } else { true } }, "\(client.received)")
            try await finish(stack, version)
            #expect(try await once(stack) == ["message"])
        }
    }

    @Test(arguments: ProtocolVersion.allCases)
    func qos2IsStoredOnceLongAfterACrash(version: ProtocolVersion) async throws {
        let holder = Later<BusProxy>()
        try await withMQTT(launch: Self.launch(holder)) { stack in
            let proxy = try #require(holder.value.withLock { $0 })
            let other = try await stack.client(stack.things.publisher, "other")
            for number in 0..<20 { try await other.publishAndWait(stack.topic("before"), "\(number)") }
            let client = try await persistent(stack, version)
            proxy.mute()
            try await client.publish(stack.topic("once"), "message", qos: .exactlyOnce, identifier: 7)
            try await eventually("the bus has it") { try await stack.stored().contains { $0.subtopic == "once" } }
            await stack.kill()
            proxy.cut()
            // The bus forgets by what it would know the message again, as it does after two minutes.
            try await forgetIdentifiers(stack)
            try await stack.startAgain()
            try await finish(stack, version)
            #expect(try await once(stack) == ["message"])
            #expect(stack.log.contains("looked for messages whose storage was in doubt"))
        }
    }

    /// What had not reached the bus is not there, and is taken when it comes again.
    @Test func qos2ThatTheBusNeverGotIsTakenAfterACrash() async throws {
        try await withMQTT { stack in
            let client = try await persistent(stack, .v5)
            await stack.suspendBus()
            try await client.publish(stack.topic("once"), "message", qos: .exactlyOnce, identifier: 7)
            // Its record is in the store, as its packet is behind a PINGREQ that was answered and a commit's time.
            try await client.send(.pingRequest)
            #expect(try await client.next() == .pingResponse)
            await stack.kill()
            try await stack.killBus()
            try await stack.startAgain()
            try await finish(stack, .v5)
            #expect(try await once(stack) == ["message"])
        }
    }

    @Test(arguments: [QualityOfService.atLeastOnce, .exactlyOnce])
    func aBusThatStandsStillLosesNothing(qos: QualityOfService) async throws {
        try await withMQTT { stack in
            let subscriber = try await stack.client(stack.things.listener, "subscriber")
            try await subscriber.subscribe(stack.topic("#"))
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            // The right is known from here on.
            try await send("0", on: stack.topic("t"), qos, by: publisher)
            #expect(try await takeText(by: subscriber) == "0")
            let count: UInt16 = 60
            for round in 0..<UInt16(3) {
                let identifiers = (round * count + 1)...(round * count + count)
                await stack.suspendBus()
                for identifier in identifiers {
                    try await publisher.publish(
                        stack.topic("t"), "\(identifier)", qos: qos, identifier: identifier)
                }
                // Nothing is acknowledged that is not stored, while what needs no bus is answered.
                try await publisher.send(.pingRequest)
                let answer = try await publisher.next()
                #expect(answer == .pingResponse)
                await stack.resumeBus()
                try await finish(Array(identifiers), qos, by: publisher)
                for identifier in identifiers {
                    let text = try await takeText(by: subscriber)
                    #expect(text == "\(identifier)")
                }
            }
            let stored = try await stack.stored().map { String(buffer: $0.payload) }
            #expect(stored == (0...3 * count).map { "\($0)" })
        }
    }

    @Test func aSpentBudgetIsSaidAndCountedAndGotOver() async throws {
        let budget = ["--segment-bytes", "1048576", "--messages-maximum-bytes", "4194304", "--test-role", "true"]
        try await withMQTT(launch: MQTTLaunch(busArguments: budget)) { stack in
            let modern = try await stack.client(stack.things.publisher, "modern")
            let filler = String(repeating: "x", count: 100_000)
            var reason = ReasonCode.success
            var accepted = 0
            for _ in 0..<100 where reason == .success {
                reason = try await modern.publishAndWait(stack.topic(), filler)
                if reason == .success { accepted += 1 }
            }
            #expect(reason == .quotaExceeded)
            #expect(accepted > 0)
            try await modern.publish(stack.topic(), filler, qos: .exactlyOnce, identifier: 2)
            let refusal = Acknowledgement(packetIdentifier: 2, reason: .quotaExceeded)
            #expect(try await modern.next() == .pubRec(refusal))
            // MQTT 3.1.1 has no way to say no: not acknowledged, the message comes again.
            let old = try await stack.client(stack.things.publisher, "old", version: .v311)
            try await old.publish(stack.topic(), filler, qos: .atLeastOnce, identifier: 3)
            try await old.waitUntilClosed()
            #expect(old.received.isEmpty)
            #expect(try await stack.metric(#"martlet_mqtt_refused_total{reason="storage-budget-spent"}"#) == 3)
            #expect(try await stack.stored().count == accepted)
            // A reader that has stored everything makes room.
            try await acknowledgeEverything(stack)
            try await eventually("there is room again") {
                try await modern.publishAndWait(stack.topic(), "again", identifier: 4) == .success
            }
        }
    }

    // MARK: Steps

    /// What is stored of the message that is to be there once.
    private func once(_ stack: MQTTStack) async throws -> [String] {
        try await stack.stored().filter { $0.subtopic == "once" }.map { String(buffer: $0.payload) }
    }

    private func persistent(_ stack: MQTTStack, _ version: ProtocolVersion) async throws -> MQTTClient {
        let client = try await stack.client(
            stack.things.publisher, "persistent", version: version, cleanStart: false, expiry: 3_600)
        // The right is known from here on.
        if !client.isSessionPresent { try await client.publishAndWait(stack.topic("first"), "") }
        return client
    }

    /// Sends the message again, as a client must, and goes through the rest of the exchange.
    private func finish(_ stack: MQTTStack, _ version: ProtocolVersion) async throws {
        var found: MQTTClient?
        try await eventually("the bus is back, and the message taken") {
            guard let client = try? await persistent(stack, version) else { return false }
            #expect(client.isSessionPresent)
            try await client.publish(
                stack.topic("once"), "message", qos: .exactlyOnce, identifier: 7, isDuplicate: true)
            // Cut off as long as the bus is away, never refused.
            guard let answer = try? await client.next(), case .pubRec = answer else { return false }
            #expect(answer == .pubRec(Acknowledgement(packetIdentifier: 7)))
            found = client
            return true
        }
        let client = try #require(found)
        try await client.send(.pubRel(Acknowledgement(packetIdentifier: 7)))
        let answer = try await client.next()
        #expect(answer == .pubComp(Acknowledgement(packetIdentifier: 7)))
        try await client.disconnect()
    }

    /// The rest of several exchanges at once; the first answers come in the order of the messages ([MQTT-4.6.0-2], [MQTT-4.6.0-3]).
    private func finish(_ identifiers: [UInt16], _ qos: QualityOfService, by client: MQTTClient) async throws {
        var (received, completed): ([UInt16], [UInt16]) = ([], [])
        while received.count < identifiers.count || (qos == .exactlyOnce && completed.count < identifiers.count) {
            switch try await client.next() {
            case .pubAck(let answer) where answer.reason == .success: received.append(answer.packetIdentifier)
            case .pubRec(let answer) where answer.reason == .success:
                received.append(answer.packetIdentifier)
                try await client.send(.pubRel(Acknowledgement(packetIdentifier: answer.packetIdentifier)))
            case .pubComp(let answer): completed.append(answer.packetIdentifier)
            case let packet: throw MQTTClient.Unexpected(packet: packet)
            }
        }
        #expect(received == identifiers)
    }

    private func withOperator(_ stack: MQTTStack, _ body: (SocketBus) async throws -> Void) async throws {
        let bus = SocketBus.connect(
            SocketBusConfiguration(path: stack.directory.file("bus.sock"), name: "test"), logger: Logger(label: "test"))
        try await bus.waitUntilConnected(timeout: .seconds(30))
        try await body(bus)
        await bus.close()
    }

    private func forgetIdentifiers(_ stack: MQTTStack) async throws {
        try await withOperator(stack) { bus in
            var configuration = try await bus.streamState(Streams.messages).configuration
            configuration.duplicateWindowSeconds = 1
            configuration.maximumDuplicateEntries = 1
            try await bus.declareStream(configuration)
        }
    }

    private func acknowledgeEverything(_ stack: MQTTStack) async throws {
        try await withOperator(stack) { bus in
            let consumer = try await bus.consume(
                stream: Streams.messages, ConsumerConfiguration(name: "reader", maximumUnacknowledgedBytes: 64 << 20))
            let last = consumer.stream.lastSequence
            for try await batch in consumer.batches {
                guard let sequence = batch.last?.sequence else { continue }
                consumer.acknowledge(through: sequence)
                if sequence >= last { break }
            }
            try await eventually("all of it is acknowledged") {
                try await bus.consumerState(stream: Streams.messages, consumer: "reader").acknowledgedThrough >= last
            }
            await consumer.cancel()
        }
    }
}

/// Something that is known later.
final class Later<Value: Sendable>: Sendable {
    let value = Mutex<Value?>(nil)
}

/// The next message's payload; takes it, and what is released between.
func takeText(by client: MQTTClient) async throws -> String {
    while true {
        switch try await client.next() {
        case .pubRel(let release):
            try await client.send(.pubComp(Acknowledgement(packetIdentifier: release.packetIdentifier)))
        case .publish(let message):
            let acknowledgement = Acknowledgement(packetIdentifier: message.packetIdentifier)
            switch message.qos {
            case .atMostOnce: break
            case .atLeastOnce: try await client.send(.pubAck(acknowledgement))
            case .exactlyOnce: try await client.send(.pubRec(acknowledgement))
            }
            return String(buffer: message.payload)
        case let packet: throw MQTTClient.Unexpected(packet: packet)
        }
    }
}
