// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// Envelopes: what was decoded must survive encoding, and its size must be what was foretold.
struct RawMessageTarget: FuzzTarget {
    let name = "raw-message"

    var seeds: [[UInt8]] {
        [ContentType.senmlJSON, .octetStream, .other("text/plain")].map { type in
            Self.encoded(
                RawMessage(
                    domain: DomainID(high: 1, low: 2), channel: ChannelID(high: 3, low: 4), subtopic: "a.b",
                    publisher: ThingID(high: 5, low: .max), transport: .mqtt, contentType: type,
                    created: 1_767_225_600_000_000_000, payload: ByteBuffer(string: "[]")))
        }
    }

    let dictionary: [[UInt8]] = [
        [0x0A, 36], [0x12, 36], [0x1A, 0], [0x22, 36], [0x2A, 4], [0x32], [0x38], [0x7A], [0x80], [0xFF, 0x01], [0x0B],
        [0x0C],
        [0x43, 0x44], [0x45, 0, 0, 0, 0], [0x41, 0, 0, 0, 0, 0, 0, 0, 0], [0x40, 0x01], [0xFA, 0x01, 0x01, 0x00],
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0x06], [0x07],
        Array("00000000-0000-0000-0000-000000000000".utf8),
    ]

    func generate(_ random: inout SeededRandom) -> [UInt8] {
        let payload = ByteBuffer(bytes: (0..<random.below(64)).map { UInt8(truncatingIfNeeded: $0) })
        return Self.encoded(
            RawMessage(
                domain: DomainID(high: random.next(), low: random.next()),
                channel: ChannelID(high: random.next(), low: random.next()),
                subtopic: random.pick(["", "a", "room.1.temperature", "\u{E9}"]),
                publisher: ThingID(high: random.next(), low: random.next()),
                transport: random.pick([.http, .mqtt, .coap, .webSocket]),
                contentType: random.pick([.senmlJSON, .senmlCBOR, .json, .octetStream, .other("a/b")]),
                created: Int64(bitPattern: random.next() >> UInt64(random.below(64))), payload: payload))
    }

    func check(_ input: [UInt8]) throws(Disagreement) -> Bool {
        guard let message = try? RawMessage(decoding: ByteBuffer(bytes: input)) else { return false }
        let encoded = Self.encoded(message)
        guard encoded.count == message.encodedSize else {
            throw Disagreement("foretold \(message.encodedSize) bytes, wrote \(encoded.count)")
        }
        guard let again = try? RawMessage(decoding: ByteBuffer(bytes: encoded)), again == message else {
            throw Disagreement("changed by encoding: \(message)")
        }
        return true
    }

    private static func encoded(_ message: RawMessage) -> [UInt8] {
        var buffer = ByteBuffer()
        message.encode(into: &buffer)
        return Array(buffer.readableBytesView)
    }
}
