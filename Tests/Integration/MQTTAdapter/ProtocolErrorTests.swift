// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// Packets that break the rules, on a connection that is open (MQTT 5 section 4.13).
@Suite(.serialized, .sharedStack()) struct ProtocolErrorTests {
    private struct Fault {
        let what: String
        let bytes: [UInt8]
        let reason: ReasonCode

        init(_ what: String, _ bytes: [UInt8], _ reason: ReasonCode = .malformedPacket) {
            self.what = what
            self.bytes = bytes
            self.reason = reason
        }
    }

    @Test("[MQTT-4.13.1-1] [MQTT-3.14.4-1] [MQTT-3.14.4-2] a faulty packet ends the connection, with its reason")
    func faults() async throws {
        let scene = try Scene()
        for fault in packets() + publishes(scene) + subscriptions(scene) + texts(scene) {
            let client = try await scene.client("faulty")
            // What follows is not looked at.
            try await client.send(bytes: fault.bytes + [0xC0, 0x00])
            try await client.expectEnd(fault.reason, fault.what)
        }
        #expect(try await scene.stored().isEmpty)
    }

    // [MQTT-4.8.0-1 of 3.1.1]
    @Test("[MQTT-2.2.2-2 of 3.1.1] in 3.1.1 without a word")
    func faults311() async throws {
        let scene = try Scene()
        let topic = Raw.text(scene.topic())
        var faults = [
            Fault("AUTH", [0xF0, 0x00]), Fault("DISCONNECT with a reason", [0xE0, 0x01, 0x00]),
            Fault("wildcard", Raw.packet(0x30, Raw.text("a/+"))), Fault("no topic", Raw.packet(0x30, Raw.text(""))),
            Fault("no identifier", Raw.packet(0x32, topic, [0, 0])), Fault("QoS 3", Raw.packet(0x36, topic, [0, 1])),
            Fault("DUP without QoS", Raw.packet(0x38, topic)), Fault("no filter", Raw.packet(0x82, [0, 1])),
            Fault("no local", Raw.packet(0x82, [0, 1], topic, [4])),
            Fault("QoS 3 asked for", Raw.packet(0x82, [0, 1], topic, [3])),
            Fault("identifier 0", Raw.packet(0x82, [0, 0], topic, [0])),
            Fault("no filter to remove", Raw.packet(0xA2, [0, 1])),
            Fault("misplaced wildcard", Raw.packet(0x82, [0, 1], Raw.text("a/#/b"), [0])),
        ]
        for text in Raw.faultyTexts.map(Raw.field) {
            faults += [
                Fault("topic", Raw.packet(0x30, text)), Fault("filter", Raw.packet(0x82, [0, 1], text, [0])),
                Fault("filter to remove", Raw.packet(0xA2, [0, 1], text)),
            ]
        }
        let shared = packets().filter { !$0.what.hasSuffix("(5)") }
        for fault in shared + faults {
            let client = try await scene.client("faulty", version: .v311)
            try await client.send(bytes: fault.bytes + [0xC0, 0x00])
            try await client.expectEnd(fault.reason, fault.what)
        }
        #expect(try await scene.stored().isEmpty)
    }

    /// Of no packet, or of packets that have nothing of their own; those of MQTT 5 alone end in (5).
    private func packets() -> [Fault] {
        [
            Fault("type 0", [0x00, 0x00]), Fault("PUBREL's flags", [0x60, 0x02, 0, 1]),
            Fault("SUBSCRIBE's flags", Raw.packet(0x80, [0, 1, 0], Raw.text("a"), [0])),
            Fault("UNSUBSCRIBE's flags", Raw.packet(0xA0, [0, 1, 0], Raw.text("a"))),
            Fault("PINGREQ's flags", [0xC1, 0x00]), Fault("DISCONNECT's flags", [0xE1, 0x00]),
            Fault("PUBACK's flags", [0x42, 0x02, 0, 1]), Fault("PUBREC's flags", [0x51, 0x02, 0, 1]),
            Fault("PUBCOMP's flags", [0x78, 0x02, 0, 1]), Fault("CONNECT's flags", [0x11, 0x00]),
            Fault("PINGREQ with a body", [0xC0, 0x01, 0x00]),
            Fault("a length of five bytes", [0x30, 0x80, 0x80, 0x80, 0x80, 0x01]),
            Fault("a length that is longer than it need be (5)", [0xC0, 0x80, 0x00]),
            Fault("a packet that is too large", [0x30, 0xFF, 0xFF, 0xFF, 0x7F], .packetTooLarge),
            Fault("CONNACK", [0x20, 0x02, 0, 0], .protocolError),
            Fault("SUBACK", [0x90, 0x03, 0, 1, 0], .protocolError),
            Fault("UNSUBACK", [0xB0, 0x02, 0, 1], .protocolError), Fault("PINGRESP", [0xD0, 0x00], .protocolError),
            Fault("PUBACK without an identifier", [0x40, 0x00]),
            Fault("PUBACK of identifier 0", [0x40, 0x02, 0, 0], .protocolError),
            Fault("PUBREL of identifier 0", [0x62, 0x02, 0, 0], .protocolError),
            Fault("PUBACK with a reason that it cannot have (5)", [0x40, 0x03, 0, 1, 0x8E], .protocolError),
            Fault("PUBREC with an unknown reason (5)", [0x50, 0x03, 0, 1, 0x55], .protocolError),
            Fault("DISCONNECT with a server's reason (5)", [0xE0, 0x01, 0x8E], .protocolError),
            Fault("AUTH without a reason (5)", [0xF0, 0x00], .protocolError),
        ]
    }

    private func publishes(_ scene: Scene) -> [Fault] {
        let topic = Raw.text(scene.topic())
        func publish(_ properties: [UInt8]...) -> [UInt8] {
            Raw.packet(0x30, topic, Raw.properties(properties.flatMap { $0 }), [1, 2, 3])
        }
        return [
            Fault("QoS 3", Raw.packet(0x36, topic, [0, 1, 0])), Fault("DUP without QoS", Raw.packet(0x38, topic, [0])),
            Fault("identifier 0", Raw.packet(0x32, topic, [0, 0, 0]), .protocolError),
            Fault("no identifier", Raw.packet(0x32, topic)), Fault("half a topic", Raw.packet(0x30, [0, 9], [0x61])),
            Fault("#", Raw.packet(0x30, Raw.text("a/#"), [0]), .topicNameInvalid),
            Fault("+", Raw.packet(0x30, Raw.text("a/+/b"), [0]), .topicNameInvalid),
            Fault("neither topic nor alias", Raw.packet(0x30, Raw.text(""), [0]), .protocolError),
            Fault("properties beyond the packet", Raw.packet(0x30, topic, [9, 1])),
            Fault("a property cut off", publish([0x02, 0, 0])),
            Fault("unknown property", publish([0x7F, 0])), Fault("a property of CONNECT", publish([0x11, 0, 0, 0, 1])),
            Fault("subscription identifier", publish([0x0B, 1]), .protocolError),
            Fault("payload format 2", publish([0x01, 2]), .protocolError),
            Fault("expiry twice", publish([0x02, 0, 0, 0, 9, 0x02, 0, 0, 0, 9]), .protocolError),
            Fault("content type twice", publish([0x03, 0, 1, 0x61], [0x03, 0, 1, 0x61]), .protocolError),
            Fault("response topic with #", publish([0x08, 0, 1, 0x23]), .topicNameInvalid),
            Fault("alias 0", publish([0x23, 0, 0]), .topicAliasInvalid),
            Fault("alias beyond the maximum", publish([0x23, 0, 33]), .topicAliasInvalid),
            Fault(
                "alias that was not set", Raw.packet(0x30, Raw.text(""), Raw.properties([0x23, 0, 1])), .protocolError),
        ]
    }

    private func subscriptions(_ scene: Scene) -> [Fault] {
        let topic = Raw.text(scene.topic())
        func subscribe(_ filter: String, options: UInt8 = 0) -> [UInt8] {
            Raw.packet(0x82, [0, 1, 0], Raw.text(filter), [options])
        }
        return [
            Fault("identifier 0", Raw.packet(0x82, [0, 0, 0], topic, [0]), .protocolError),
            Fault("no filter", Raw.packet(0x82, [0, 1, 0]), .protocolError),
            Fault("no options", Raw.packet(0x82, [0, 1, 0], topic)),
            Fault("empty filter", subscribe("")), Fault("QoS 3", subscribe("a", options: 3), .protocolError),
            Fault("reserved bit 6", subscribe("a", options: 0x40)),
            Fault("reserved bit 7", subscribe("a", options: 0x80)),
            Fault("retain handling 3", subscribe("a", options: 0x30), .protocolError),
            Fault("# in the middle", subscribe("a/#/b"), .topicFilterInvalid),
            Fault("# in a level", subscribe("a#"), .topicFilterInvalid),
            Fault("+ in a level", subscribe("a/b+/c"), .topicFilterInvalid),
            Fault("no local, shared", subscribe("$share/g/" + scene.topic(), options: 4), .protocolError),
            Fault("share without a name", subscribe("$share//" + scene.topic()), .topicFilterInvalid),
            Fault("share without a filter", subscribe("$share/g"), .topicFilterInvalid),
            Fault("share with an empty filter", subscribe("$share/g/"), .topicFilterInvalid),
            Fault("share name with a wildcard", subscribe("$share/+/a"), .topicFilterInvalid),
            Fault(
                "subscription identifier 0", Raw.packet(0x82, [0, 1], Raw.properties([0x0B, 0]), topic, [0]),
                .protocolError),
            Fault(
                "two subscription identifiers",
                Raw.packet(0x82, [0, 1], Raw.properties([0x0B, 1, 0x0B, 2]), topic, [0]), .protocolError),
            Fault("identifier 0 of UNSUBSCRIBE", Raw.packet(0xA2, [0, 0, 0], topic), .protocolError),
            Fault("no filter to remove", Raw.packet(0xA2, [0, 1, 0]), .protocolError),
        ]
    }

    /// Every place of text in every packet.
    private func texts(_ scene: Scene) -> [Fault] {
        let topic = Raw.text(scene.topic())
        let letter = Raw.text("a")
        var faults: [Fault] = []
        for text in Raw.faultyTexts.map(Raw.field) {
            func add(_ what: String, _ first: UInt8, _ parts: [UInt8]...) {
                faults.append(Fault(what, Raw.packet(first, parts.flatMap { $0 })))
            }
            add("topic", 0x30, text, [0])
            add("content type", 0x30, topic, Raw.property(0x03, text))
            add("response topic", 0x30, topic, Raw.property(0x08, text))
            add("user property's name", 0x30, topic, Raw.property(0x26, text, letter))
            add("user property's value", 0x30, topic, Raw.property(0x26, letter, text))
            add("filter", 0x82, [0, 1, 0], text, [0])
            add("user property of SUBSCRIBE", 0x82, [0, 1], Raw.property(0x26, text, letter), topic, [0])
            add("filter to remove", 0xA2, [0, 1, 0], text)
            add("user property of UNSUBSCRIBE", 0xA2, [0, 1], Raw.property(0x26, letter, text), topic)
            add("reason of PUBACK", 0x40, [0, 1, 0], Raw.property(0x1F, text))
            add("reason of PUBREL", 0x62, [0, 1, 0], Raw.property(0x1F, text))
            add("reason of DISCONNECT", 0xE0, [0], Raw.property(0x1F, text))
            add("method of AUTH", 0xF0, [0x19], Raw.property(0x15, text))
        }
        return faults
    }

    @Test(
        "[MQTT-4.8.0-2 of 3.1.1] what cannot be stored for a while ends the connection of a client that cannot be told")
    func transientErrors() async throws {
        try await withMQTT { stack in
            let scene = Scene(stack)
            let old = try await scene.client("old", version: .v311)
            let new = try await scene.client("new")
            try await stack.stopBus()
            try await old.publish(scene.topic(), "later", qos: .atLeastOnce, identifier: 1)
            try await old.expectEnd(.implementationSpecificError)
            // MQTT 5 has a word for it, and goes on.
            #expect(try await new.publishAndWait(scene.topic(), "later") == .implementationSpecificError)
            try await stack.startBus()
            try await eventually("it is taken again") {
                try await new.publishAndWait(scene.topic(), "again") == .success
            }
        }
    }
}
