// SPDX-License-Identifier: Apache-2.0

/// A 128-bit identifier that belongs to one kind of entity, written as a canonical UUID (RFC 9562 section 4).
///
/// The phantom type keeps a channel's identifier from being passed where a thing's is meant. New identifiers are
/// version 7 (time-ordered), so that B-tree inserts stay at the right edge; any UUID is accepted as input.
public struct Identifier<Entity>: Hashable, Sendable, Comparable {
    /// Bytes 0 to 7, big endian.
    public let high: UInt64
    /// Bytes 8 to 15, big endian.
    public let low: UInt64

    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new version 7 identifier.
    ///
    /// - Parameters:
    ///   - milliseconds: Unix time; only the low 48 bits are used.
    ///   - generator: where the 74 random bits come from.
    public init(milliseconds: UInt64, using generator: inout some RandomNumberGenerator) {
        let random = generator.next()
        high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | (random & 0x0FFF)
        low = (generator.next() & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
    }

    /// A new version 7 identifier from the system's clock and random number generator.
    public static func new() -> Identifier {
        var generator = SystemRandomNumberGenerator()
        return Identifier(milliseconds: UInt64(clamping: WallClock.system.now() / 1_000_000), using: &generator)
    }

    @inlinable
    public static func < (left: Identifier, right: Identifier) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension Identifier {
    /// Length of the canonical text form: 32 hexadecimal digits and four hyphens.
    @inlinable
    public static var textLength: Int { 36 }

    /// Reads the canonical text form, either case.
    ///
    /// - Returns: nil unless `bytes` is exactly 36 bytes long, with hyphens at 8, 13, 18 and 23 and digits elsewhere.
    @inlinable
    public init?(utf8 bytes: some Collection<UInt8>) {
        guard bytes.count == Self.textLength else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        var digits = 0
        var offset = 0
        for byte in bytes {
            defer { offset += 1 }
            if offset == 8 || offset == 13 || offset == 18 || offset == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let nibble: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): nibble = byte &- UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): nibble = byte &- UInt8(ascii: "a") &+ 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): nibble = byte &- UInt8(ascii: "A") &+ 10
            default: return nil
            }
            if digits < 16 {
                words.0 = words.0 << 4 | UInt64(nibble)
            } else {
                words.1 = words.1 << 4 | UInt64(nibble)
            }
            digits += 1
        }
        self.init(high: words.0, low: words.1)
    }

    /// Calls `body` with the 36 bytes of the canonical lower-case text form.
    @inlinable
    public func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: Self.textLength, alignment: 1) { buffer in
            var position = 0
            for index in 0..<32 {
                if index == 8 || index == 12 || index == 16 || index == 20 {
                    buffer[position] = UInt8(ascii: "-")
                    position += 1
                }
                let word = index < 16 ? high : low
                let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - (index & 15) * 4)) & 0xF
                buffer[position] = nibble < 10 ? nibble + UInt8(ascii: "0") : nibble - 10 + UInt8(ascii: "a")
                position += 1
            }
            return body(UnsafeRawBufferPointer(buffer))
        }
    }
}

extension Identifier: LosslessStringConvertible {
    public var description: String {
        withText { String(decoding: $0, as: UTF8.self) }
    }

    public init?(_ description: String) {
        self.init(utf8: description.utf8)
    }
}

extension Identifier: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Identifier(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a UUID")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Names the kinds of entity; never instantiated.
public enum Entity {
    public enum Thing {}
    public enum Channel {}
    public enum Domain {}
    public enum User {}
    public enum Session {}
    public enum Event {}
    public enum Stream {}
}

public typealias ThingID = Identifier<Entity.Thing>
public typealias ChannelID = Identifier<Entity.Channel>
public typealias DomainID = Identifier<Entity.Domain>
public typealias UserID = Identifier<Entity.User>
public typealias SessionID = Identifier<Entity.Session>
public typealias EventID = Identifier<Entity.Event>
/// One incarnation of a stream's log: a log that was lost and begun anew has another one, so sequence numbers never alias.
public typealias StreamID = Identifier<Entity.Stream>
