// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Messaging
import TestKit
import Testing

/// The remote away, and kill -9 of bridge and bus in the middle of traffic both ways.
@Suite(.serialized) struct OutageTests {
    private static func setup(_ version: String, qos: Int) -> Setup {
        var setup = Setup()
        setup.version = version
        setup.incoming = #"[{"topic":"in/#","channel":"CHANNEL","subtopic":"in/{1}","qos":\#(qos)}]"#
        setup.outgoing = #"[{"channel":"CHANNEL","subtopic":"out/#","topic":"out/{1}","qos":\#(qos)}]"#
        return setup
    }

    @Test(arguments: [("3.1.1", 1), ("3.1.1", 2), ("5", 1), ("5", 2)])
    func whatWaitsForARemoteThatIsAwayArrives(version: String, qos: Int) async throws {
        try await withBridge(Self.setup(version, qos: qos)) { stack in
            let count = 600
            let subscriber = try await stack.remote.subscribe("out/#")
            for number in 0..<count {
                // In the middle of it, with messages on their way.
                if number == count / 3 { try await stack.remote.stop() }
                try await stack.publish("\(number)", "out.a")
            }
            try await eventually("the bridge has noticed") { try await stack.health().text.contains("is away") }
            #expect(try await stack.health().status == 200)
            try stack.remote.startAgain()
            try await eventually("all have arrived") { subscriber.texts.last == "\(count - 1)" }
            let numbers = subscriber.texts.compactMap { Int($0) }
            if qos == 2 {
                #expect(numbers == Array(0..<count))
            } else {
                #expect(firstSeen(numbers) == Array(0..<count))
            }
        }
    }

    @Test(arguments: [("3.1.1", 1), ("3.1.1", 2), ("5", 1), ("5", 2)])
    func killedBridgeLosesNothing(version: String, qos: Int) async throws {
        try await withBridge(Self.setup(version, qos: qos)) { stack in
            let count = 2_000
            let subscriber = try await stack.remote.subscribe("out/#")
            async let outward: Void = publishLocally(count, by: stack)
            async let inward: Void = stack.remote.publish(0..<count, "in/b", qos: qos)
            for round in 1...3 {
                try await eventually("messages flow") {
                    let stored = try await stack.storedTexts("in.b").count
                    return subscriber.lines.count >= round * 150 && stored >= round * 150
                }
                await stack.killBridge()
                try stack.startBridge()
            }
            try await outward
            try await inward
            try await expectAll(count, subscriber, stack, isOnceIn: qos == 2)
        }
    }

    @Test(arguments: [1, 2]) func killedBusLosesNothing(qos: Int) async throws {
        try await withBridge(Self.setup("5", qos: qos)) { stack in
            let count = 1_500
            let subscriber = try await stack.remote.subscribe("out/#")
            async let outward: Void = publishLocally(count, by: stack)
            async let inward: Void = stack.remote.publish(0..<count, "in/b", qos: qos)
            for round in 1...3 {
                try await eventually("messages flow") { subscriber.lines.count >= round * 150 }
                try await stack.killBus()
            }
            try await outward
            try await inward
            try await expectAll(count, subscriber, stack, isOnceIn: qos == 2)
            // The bridge goes on: what the bus delivers again is not sent again.
            #expect(subscriber.texts.count == count)
        }
    }

    @Test func whatTheRemoteKeptWhileTheBridgeWasAwayArrives() async throws {
        try await withBridge(Self.setup("3.1.1", qos: 1)) { stack in
            try await stack.bridge.terminate()
            try await stack.remote.publish(0..<200, "in/b", qos: 1)
            for number in 0..<200 { try await stack.publish("\(number)", "out.a") }
            let subscriber = try await stack.remote.subscribe("out/#")
            try stack.startBridge()
            try await expectAll(200, subscriber, stack, isOnceIn: true)
            // Ended in order, nothing comes twice.
            #expect(subscriber.texts.compactMap { Int($0) } == Array(0..<200))
        }
    }

    @Test func aRemoteThatIsAwayForLongDoesNotFillTheStream() async throws {
        var setup = Self.setup("5", qos: 1)
        setup.busArguments = ["--messages-maximum-bytes", "\(4 << 20)", "--segment-bytes", "\(1 << 20)"]
        setup.keepsStream = false
        try await withBridge(setup) { stack in
            try await stack.remote.stop()
            let padding = String(repeating: "x", count: 16_000)
            for number in 0..<500 { try await stack.publish("\(number) \(padding)", "out.a") }
            #expect(try await stack.metric(#"martlet_mqtt_bridge_lost_total{remote="plant",reason="queue-full"}"#) > 0)
            #expect(stack.log.contains("the oldest is given up"))
            let subscriber = try await stack.remote.startAgain(watching: "out/#")
            try await eventually("the newest have arrived") { subscriber.lines.contains { $0.contains(" 499 ") } }
        }
    }

    @Test func whatTheRemoteRefusesIsADeadLetter() async throws {
        var setup = Self.setup("5", qos: 2)
        setup.accessList = [
            "user \(RemoteBroker.user)", "topic readwrite in/#", "topic read out/#", "topic out/allowed",
        ]
        try await withBridge(setup) { stack in
            let subscriber = try await stack.remote.subscribe("out/#")
            try await stack.publish("no", "out.forbidden")
            try await stack.publish("yes", "out.allowed")
            try await subscriber.waitForLine("out/allowed 2 0 yes")
            try await eventually("it is among the dead letters") {
                let letters = try await stack.observer.read(
                    stream: Streams.deadLetters, from: 1, maximumBytes: 1 << 20)
                return letters.first?.headers.deadLetter?.reason.contains("Not authorized") == true
            }
            #expect(
                try await stack.metric(#"martlet_mqtt_bridge_refused_total{remote="plant",direction="out""#) == 1)
        }
    }

    private func publishLocally(_ count: Int, by stack: BridgeStack) async throws {
        for number in 0..<count { try await stack.publish("\(number)", "out.a") }
    }

    private func expectAll(
        _ count: Int, _ subscriber: RemoteSubscriber, _ stack: BridgeStack, isOnceIn: Bool
    ) async throws {
        try await eventually("all have arrived at the remote", deadline: .seconds(120)) {
            Set(subscriber.texts).count >= count
        }
        try await eventually("all have arrived in the channel", deadline: .seconds(120)) {
            Set(try await stack.storedTexts("in.b")).count >= count
        }
        #expect(firstSeen(subscriber.texts.compactMap { Int($0) }) == Array(0..<count))
        let stored = try await stack.storedTexts("in.b").compactMap { Int($0) }
        #expect(firstSeen(stored) == Array(0..<count))
        if isOnceIn { #expect(stored.count == count) }
    }

    /// Each number where it came first: again is allowed, back is not.
    private func firstSeen(_ numbers: [Int]) -> [Int] {
        var seen: Set<Int> = []
        return numbers.filter { seen.insert($0).inserted }
    }
}
