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
        let result = bytes.withContiguousStorageIfAvailable { Identifier(utf8: UnsafeRawBufferPointer($0)) }
        guard let identifier = result ?? Self.read(copying: bytes) else { return nil }
        self = identifier
    }

    @inlinable
    static func read(copying bytes: some Collection<UInt8>) -> Identifier? {
        guard bytes.count == textLength else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: textLength, alignment: 8) { buffer in
            buffer.copyBytes(from: bytes)
            return Identifier(utf8: UnsafeRawBufferPointer(buffer))
        }
    }

    /// Reads the canonical text form, either case, from memory: what the data path calls for every message.
    ///
    /// - Returns: nil unless `bytes` is exactly 36 bytes long, with hyphens at 8, 13, 18 and 23 and digits elsewhere.
    public init?(utf8 bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.textLength, let base = bytes.baseAddress else { return nil }
        let hyphen = UInt8(ascii: "-")
        guard base.load(fromByteOffset: 8, as: UInt8.self) == hyphen,
            base.load(fromByteOffset: 13, as: UInt8.self) == hyphen,
            base.load(fromByteOffset: 18, as: UInt8.self) == hyphen,
            base.load(fromByteOffset: 23, as: UInt8.self) == hyphen
        else { return nil }
        // Four groups of eight digits; the second and third lie on both sides of a hyphen.
        let secondText =
            UInt64(base.loadUnaligned(fromByteOffset: 9, as: UInt32.self))
            | UInt64(base.loadUnaligned(fromByteOffset: 14, as: UInt32.self)) << 32
        let thirdText =
            UInt64(base.loadUnaligned(fromByteOffset: 19, as: UInt32.self))
            | UInt64(base.loadUnaligned(fromByteOffset: 24, as: UInt32.self)) << 32
        guard let first = HexadecimalDigits.value(base.loadUnaligned(as: UInt64.self)),
            let second = HexadecimalDigits.value(secondText),
            let third = HexadecimalDigits.value(thirdText),
            let fourth = HexadecimalDigits.value(base.loadUnaligned(fromByteOffset: 28, as: UInt64.self))
        else { return nil }
        self.init(high: UInt64(first) << 32 | UInt64(second), low: UInt64(third) << 32 | UInt64(fourth))
    }

    /// Calls `body` with the 36 bytes of the canonical lower-case text form.
    @inlinable
    public func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: Self.textLength, alignment: 8) { buffer in
            writeText(to: buffer)
            return body(UnsafeRawBufferPointer(buffer))
        }
    }

    /// - Parameter buffer: at least ``textLength`` bytes.
    @usableFromInline
    func writeText(to buffer: UnsafeMutableRawBufferPointer) {
        guard buffer.count >= Self.textLength, let base = buffer.baseAddress else { return }
        let second = HexadecimalDigits.text(UInt32(truncatingIfNeeded: high))
        let third = HexadecimalDigits.text(UInt32(truncatingIfNeeded: low >> 32))
        base.storeBytes(of: HexadecimalDigits.text(UInt32(truncatingIfNeeded: high >> 32)), as: UInt64.self)
        base.storeBytes(of: UInt32(truncatingIfNeeded: second), toByteOffset: 9, as: UInt32.self)
        base.storeBytes(of: UInt32(truncatingIfNeeded: second >> 32), toByteOffset: 14, as: UInt32.self)
        base.storeBytes(of: UInt32(truncatingIfNeeded: third), toByteOffset: 19, as: UInt32.self)
        base.storeBytes(of: UInt32(truncatingIfNeeded: third >> 32), toByteOffset: 24, as: UInt32.self)
        base.storeBytes(
            of: HexadecimalDigits.text(UInt32(truncatingIfNeeded: low)), toByteOffset: 28, as: UInt64.self)
        let hyphen = UInt8(ascii: "-")
        base.storeBytes(of: hyphen, toByteOffset: 8, as: UInt8.self)
        base.storeBytes(of: hyphen, toByteOffset: 13, as: UInt8.self)
        base.storeBytes(of: hyphen, toByteOffset: 18, as: UInt8.self)
        base.storeBytes(of: hyphen, toByteOffset: 23, as: UInt8.self)
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
    public enum Group {}
    public enum Domain {}
    public enum User {}
    public enum Session {}
    public enum Event {}
    public enum Stream {}
}

public typealias ThingID = Identifier<Entity.Thing>
public typealias ChannelID = Identifier<Entity.Channel>
public typealias GroupID = Identifier<Entity.Group>
public typealias DomainID = Identifier<Entity.Domain>
public typealias UserID = Identifier<Entity.User>
public typealias SessionID = Identifier<Entity.Session>
public typealias EventID = Identifier<Entity.Event>
/// One incarnation of a stream's log: a log that was lost and begun anew has another one, so sequence numbers never alias.
public typealias StreamID = Identifier<Entity.Stream>
/// Any entity's: where it does not matter, or is not known, what kind of thing is meant.
public typealias EntityID = Identifier<Entity>

extension Identifier<Entity> {
    /// The same identifier, without its kind.
    public init<Kind>(_ identifier: Identifier<Kind>) {
        self.init(high: identifier.high, low: identifier.low)
    }
}
