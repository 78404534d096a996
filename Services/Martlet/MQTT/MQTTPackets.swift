// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// The packets of MQTT 5 that a device needs which publishes with QoS 2 and subscribes to nothing; names of rules are the specification's.
enum MQTTPackets {
    /// CONNECT (section 3.1), without a clean start.
    ///
    /// - Parameters:
    ///   - user: nil: none.
    ///   - expirySeconds: how long the server keeps what it knows of messages that are under way.
    static func connect(
        client: String, user: String?, password: String, keepAliveSeconds: UInt16, expirySeconds: UInt32
    ) -> ByteBuffer {
        var body = ByteBuffer()
        write("MQTT", into: &body)
        body.writeInteger(5 as UInt8)
        // Password, and user name where there is one.
        body.writeInteger((user == nil ? 0x40 : 0xC0) as UInt8)
        body.writeInteger(keepAliveSeconds)
        // One property of five bytes: session expiry interval.
        body.writeInteger(5 as UInt8)
        body.writeInteger(0x11 as UInt8)
        body.writeInteger(expirySeconds)
        write(client, into: &body)
        if let user { write(user, into: &body) }
        write(password, into: &body)
        return packet(0x10, body)
    }

    /// PUBLISH (section 3.3) with QoS 2.
    static func publish(
        topic: String, contentType: String, payload: [UInt8], identifier: UInt16, isDuplicate: Bool
    ) -> ByteBuffer {
        var properties = ByteBuffer()
        properties.writeInteger(0x03 as UInt8)
        write(contentType, into: &properties)
        var body = ByteBuffer()
        write(topic, into: &body)
        body.writeInteger(identifier)
        writeNumber(properties.readableBytes, into: &body)
        body.writeImmutableBuffer(properties)
        body.writeBytes(payload)
        return packet(isDuplicate ? 0x3C : 0x34, body)
    }

    /// PUBREL (section 3.6).
    static func release(_ identifier: UInt16) -> ByteBuffer {
        packet(0x62, ByteBuffer(integer: identifier))
    }

    /// DISCONNECT (section 3.14) that ends the session, too.
    static func disconnect() -> ByteBuffer {
        var body = ByteBuffer()
        body.writeInteger(0 as UInt8)
        body.writeInteger(5 as UInt8)
        body.writeInteger(0x11 as UInt8)
        body.writeInteger(0 as UInt32)
        return packet(0xE0, body)
    }

    static let ping = ByteBuffer(bytes: [0xC0, 0])

    private static func packet(_ first: UInt8, _ body: ByteBuffer) -> ByteBuffer {
        var packet = ByteBuffer()
        packet.writeInteger(first)
        writeNumber(body.readableBytes, into: &packet)
        packet.writeImmutableBuffer(body)
        return packet
    }

    /// A variable byte integer (section 1.5.5).
    private static func writeNumber(_ number: Int, into buffer: inout ByteBuffer) {
        var rest = number
        repeat {
            let byte = UInt8(rest & 0x7F)
            rest >>= 7
            buffer.writeInteger(rest == 0 ? byte : byte | 0x80)
        } while rest > 0
    }

    /// At most 65,535 bytes, as the length before them says; callers check what they are given.
    private static func write(_ text: String, into buffer: inout ByteBuffer) {
        let bytes = text.utf8.prefix(Int(UInt16.max))
        buffer.writeInteger(UInt16(bytes.count))
        buffer.writeBytes(bytes)
    }
}

/// What a server answers to those packets.
struct MQTTReply: Equatable, Sendable {
    enum Kind: UInt8, Sendable {
        case connAck = 2
        case pubRec = 5
        case pubComp = 7
        case pingResponse = 13
        case disconnect = 14
    }

    let kind: Kind
    /// 0 where there is none.
    let identifier: UInt16
    /// Of MQTT 5; 0x80 and above: refused.
    let reason: UInt8

    /// The largest that is taken: an answer with a reason in words.
    static let maximumBytes = 64 << 10

    struct Malformed: Error {}

    /// Takes one packet off the buffer; nil while it is not there as a whole.
    /// - Throws: ``Malformed`` for anything that is no such answer.
    init?(_ buffer: inout ByteBuffer) throws {
        var copy = buffer
        guard let first = copy.readInteger(as: UInt8.self) else { return nil }
        var length = 0
        var shift = 0
        while true {
            guard shift < 28 else { throw Malformed() }
            guard let byte = copy.readInteger(as: UInt8.self) else { return nil }
            length |= Int(byte & 0x7F) << shift
            if byte & 0x80 == 0 { break }
            shift += 7
        }
        guard length <= Self.maximumBytes, let kind = Kind(rawValue: first >> 4) else { throw Malformed() }
        guard var body = copy.readSlice(length: length) else { return nil }
        switch kind {
        case .connAck:
            guard body.readInteger(as: UInt8.self) != nil, let code = body.readInteger(as: UInt8.self) else {
                throw Malformed()
            }
            (identifier, reason) = (0, code)
        case .pubRec, .pubComp:
            guard let number = body.readInteger(as: UInt16.self) else { throw Malformed() }
            (identifier, reason) = (number, body.readInteger(as: UInt8.self) ?? 0)
        case .disconnect: (identifier, reason) = (0, body.readInteger(as: UInt8.self) ?? 0)
        case .pingResponse: (identifier, reason) = (0, 0)
        }
        self.kind = kind
        buffer = copy
    }
}
