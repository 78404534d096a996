// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import NIOCore
import Testing

@testable import MQTTBridge

/// What the bridge remembers: its own messages, those that may come again, those on their way.
@Suite struct MemoryTests {
    private let second: Int64 = 1_000_000_000

    @Test func eachMessageComesBackOnce() {
        let memory = EchoMemory()
        let payload = ByteBuffer(string: "on")
        memory.sent("a", payload)
        memory.sent("a", payload)
        #expect(!memory.comesBack("b", payload, at: second))
        #expect(memory.comesBack("a", payload, at: second))
        #expect(memory.comesBack("a", payload, at: second))
        #expect(!memory.comesBack("a", payload, at: second))
    }

    @Test func echoesAreForgotten() {
        let memory = EchoMemory()
        let late = (EchoMemory.seconds + 1) * second
        // A remote that is away acknowledges nothing, and what it has not had it has not sent back.
        memory.sent("a", ByteBuffer())
        memory.sent("b", ByteBuffer())
        memory.settled("b", ByteBuffer(), at: 0)
        #expect(memory.comesBack("a", ByteBuffer(), at: late))
        #expect(!memory.comesBack("b", ByteBuffer(), at: late))
        // One that came back in time does not take another with it.
        memory.sent("c", ByteBuffer())
        memory.settled("c", ByteBuffer(), at: 0)
        #expect(memory.comesBack("c", ByteBuffer(), at: 0))
        memory.sent("c", ByteBuffer())
        #expect(memory.comesBack("c", ByteBuffer(), at: late))
        memory.sent("first", ByteBuffer())
        memory.settled("first", ByteBuffer(), at: 0)
        for number in 0..<EchoMemory.maximumMessages {
            memory.sent("\(number)", ByteBuffer())
            memory.settled("\(number)", ByteBuffer(), at: 0)
        }
        #expect(!memory.comesBack("first", ByteBuffer(), at: 0))
        #expect(memory.comesBack("\(EchoMemory.maximumMessages - 1)", ByteBuffer(), at: 0))
    }

    private func message(_ identifier: UInt16, _ text: String = "on") -> ReceivedMessage {
        ReceivedMessage(
            topic: "a", payload: ByteBuffer(string: text), qos: .atLeastOnce, retain: false,
            packetIdentifier: identifier)
    }

    @Test("What comes again has the same name, and nothing else does [MQTT-4.4.0-1]") func redelivery() {
        var before = RedeliveryIdentity()
        let first = before.name(message(1), topic: "a", session: "s", at: 0)
        // A broker that uses the lowest free identifier, and a sensor that repeats itself.
        #expect(before.name(message(1), topic: "a", session: "s", at: second) != first)
        #expect(before.name(message(2), topic: "a", session: "s", at: second) != first)
        #expect(before.name(message(1, "off"), topic: "a", session: "s", at: second) != first)
        var after = RedeliveryIdentity()
        #expect(after.name(message(1), topic: "a", session: "s", at: 2 * second) == first)
        before.reset()
        #expect(before.name(message(1), topic: "a", session: "s", at: 2 * second) == first)
        // An identifier that has gone round is used for the first time again.
        #expect(before.name(message(1), topic: "a", session: "s", at: 200 * second) == first)
        #expect(first.utf8.count <= 64)
    }

    @Test func windowIsBoundedAndSaysWhenAMessageIsDone() {
        var window = OutgoingWindow(maximumMessages: 3)
        window.begin(.new())
        let pair = window.add(7, parts: 2, bytes: 10)
        #expect(window.hasRoom)
        let single = window.add(9, parts: 1, bytes: 10)
        #expect(!window.hasRoom)
        #expect(window.contains(7))
        #expect(window.settle(pair[0], .delivered) == nil)
        #expect(window.hasRoom)
        #expect(window.settle(pair[0], .delivered) == nil)
        #expect(window.settle(single[0], .delivered) == .acknowledge(9))
        #expect(window.settle(pair[1], .refused("no")) == .giveUp(7, reason: "no"))
        #expect(window.isEmpty)
        #expect(window.bytes == 0)
        _ = window.add(10, parts: 1, bytes: OutgoingWindow.maximumBytes)
        #expect(!window.hasRoom)
        window.begin(.new())
        #expect(window.isEmpty && window.hasRoom)
    }
}
