// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter

/// Packets of MQTT written byte by byte, without the encoder that they are to test: mostly valid.
///
/// An input is one byte of options (bit 0: MQTT 3.1.1, bit 1: from a server, the rest: how the bytes are split) and the bytes of a connection.
enum MQTTGenerator {
    static func stream(_ random: inout SeededRandom) -> [UInt8] {
        let options = UInt8(random.below(256))
        var stream = [options]
        let (version, sender) = (version(options), sender(options))
        let types = PacketType.allCases.filter { $0.maySend(sender, version) }
        for _ in 0...random.below(3) {
            stream += packet(random.oneIn(3) ? .publish : random.pick(types), version, sender, &random)
        }
        return stream
    }

    /// Each type of packet alone, in each version, from each side.
    static var samples: [[UInt8]] {
        var random = SeededRandom(seed: 3)
        return (UInt8(0)..<4).flatMap { options in
            PacketType.allCases.filter { $0.maySend(sender(options), version(options)) }
                .map { [options] + packet($0, version(options), sender(options), &random) }
        }
    }

    static func version(_ options: UInt8) -> ProtocolVersion { options & 1 == 0 ? .v5 : .v311 }
    static func sender(_ options: UInt8) -> Sender { options & 2 == 0 ? .client : .server }

    static func packet(
        _ type: PacketType, _ version: ProtocolVersion, _ sender: Sender, _ random: inout SeededRandom
    ) -> [UInt8] {
        var flags = type.requiredFlags ?? 0
        var body: [UInt8] = []
        let isNew = version == .v5
        func add(_ place: PropertyPlaces) { if isNew { body += properties(place, &random) } }
        switch type {
        case .connect: body = connect(isNew, &random)
        case .connAck:
            let reason = isNew ? self.reason(type, sender, &random) : UInt8(random.below(6))
            body = [reason == 0 ? UInt8(random.below(2)) : 0, reason]
            add(.connAck)
        case .publish:
            let qos = UInt8(random.below(3))
            flags = qos << 1 | UInt8(random.below(2)) | (qos == 0 ? 0 : UInt8(random.below(2)) << 3)
            body = text(random.pick(topics)) + (qos == 0 ? [] : identifier(&random))
            add(.publish)
            body += Array(repeating: 0x61, count: random.below(random.oneIn(8) ? 400 : 8))
        case .pubAck, .pubRec, .pubRel, .pubComp:
            body = identifier(&random)
            guard isNew, random.oneIn(2) else { break }
            body.append(reason(type, sender, &random))
            if random.oneIn(2) { add(.acknowledgement) }
        case .subscribe:
            body = identifier(&random)
            add(.subscribe)
            for _ in 0...random.below(3) {
                let options = random.below(3) | (isNew ? random.below(4) << 2 | random.below(3) << 4 : 0)
                body += text(random.pick(filters)) + [UInt8(options)]
            }
        case .unsubscribe:
            body = identifier(&random)
            add(.unsubscribe)
            for _ in 0...random.below(3) { body += text(random.pick(filters)) }
        case .subAck, .unsubAck:
            body = identifier(&random)
            add(type == .subAck ? .subAck : .unsubAck)
            guard isNew || type == .subAck else { break }
            for _ in 0...random.below(3) {
                body.append(isNew ? reason(type, sender, &random) : random.pick([0, 1, 2, 0x80]))
            }
        case .pingRequest, .pingResponse: break
        case .disconnect, .auth:
            guard isNew, type == .auth || random.oneIn(2) else { break }
            body = [reason(type, sender, &random)]
            add(type == .auth ? .auth : .disconnect)
        }
        return [type.rawValue << 4 | flags] + number(body.count) + body
    }

    private static func connect(_ isNew: Bool, _ random: inout SeededRandom) -> [UInt8] {
        let (hasWill, hasUser) = (random.oneIn(2), random.oneIn(2))
        let hasPassword = (isNew || hasUser) && random.oneIn(2)
        var flags = UInt8(random.oneIn(2) ? 2 : 0)
        if hasWill { flags |= 4 | UInt8(random.below(3)) << 3 | UInt8(random.below(2)) << 5 }
        if hasUser { flags |= 0x80 }
        if hasPassword { flags |= 0x40 }
        var body = text("MQTT") + [isNew ? 5 : 4, flags, 0, UInt8(random.below(256))]
        if isNew { body += properties(.connect, &random) }
        body += text(random.pick(["device-1", "\u{E9}", "0123456789abcdefghijklm"]))
        if hasWill {
            if isNew { body += properties(.will, &random) }
            body += text(random.pick(topics)) + text("gone")
        }
        if hasUser { body += text("user") }
        if hasPassword { body += [0, 3, 0, 0xFF, 1] }
        return body
    }

    private static func properties(_ place: PropertyPlaces, _ random: inout SeededRandom) -> [UInt8] {
        var bytes: [UInt8] = []
        for property in PropertyIdentifier.allCases
        where !property.places.isDisjoint(with: place) && random.oneIn(place == .connAck ? 6 : 3) {
            let repeats = property == .userProperty ? random.below(3) : 0
            for _ in 0...repeats { bytes += [property.rawValue] + value(property, &random) }
        }
        return number(bytes.count) + bytes
    }

    private static func value(_ property: PropertyIdentifier, _ random: inout SeededRandom) -> [UInt8] {
        switch property.form {
        case .byte: [UInt8(random.below(2))]
        case .twoBytes: [UInt8(random.below(2)), UInt8(1 + random.below(255))]
        case .fourBytes: [0, UInt8(random.below(256)), 1, UInt8(random.below(256))]
        case .variableByteInteger: number(1 + random.below(random.pick([100, 20_000, 3_000_000, 268_435_455])))
        case .text: text(random.pick(["a/b", "text/plain", "\u{1F600}", "SCRAM-SHA-256"]))
        case .binary: [0, 4, 0, 0xFF, 0x80, UInt8(random.below(256))]
        case .textPair: text(random.pick(["", "name", "\u{E9}"])) + text(random.pick(["", "value"]))
        }
    }

    private static func reason(_ type: PacketType, _ sender: Sender, _ random: inout SeededRandom) -> UInt8 {
        random.pick(ReasonCode.allCases.filter { $0.mayStand(in: type, from: sender) }).rawValue
    }

    private static func identifier(_ random: inout SeededRandom) -> [UInt8] {
        [UInt8(random.below(256)), UInt8(1 + random.below(255))]
    }

    static func text(_ text: String) -> [UInt8] {
        let bytes = [UInt8](text.utf8)
        return [UInt8(truncatingIfNeeded: bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)] + bytes
    }

    static func number(_ value: Int) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        repeat {
            bytes.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }

    static let topics = ["a", "a/b", "/", "$SYS/x", "building/1/room/2/temperature", "\u{E9}/\u{1F600}", "a//b"]
    static let filters = ["#", "+", "a/#", "a/+/b", "+/+", "/+", "$SYS/#", "$share/g/a/+", "building/+/room/#", "a//b"]
}
