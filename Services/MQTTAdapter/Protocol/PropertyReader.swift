// SPDX-License-Identifier: Apache-2.0

/// One property, in place.
package struct PropertyView: Sendable {
    package let identifier: PropertyIdentifier
    /// The value of those that are numbers.
    package let number: UInt32
    /// Where the text, the binary data or a pair's name stands in the bytes that were read; without its length field.
    package let value: Range<Int>
    /// Where a pair's value stands.
    package let second: Range<Int>
    /// The whole property, its identifier included.
    package let range: Range<Int>
}

/// Walks through properties, in place, and checks them: known, allowed in this packet, at most once, within their range (section 2.2.2).
package struct PropertyReader {
    private var reader: PacketReader
    private let place: PropertyPlaces
    private var seen: UInt64 = 0

    package init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, place: PropertyPlaces) {
        reader = PacketReader(bytes, range)
        self.place = place
    }

    /// - Returns: nil at the end.
    package mutating func next() throws(Violation) -> PropertyView? {
        guard !reader.isAtEnd else { return nil }
        let start = reader.offset
        // An identifier is a variable byte integer, but all there are take one byte.
        guard let identifier = PropertyIdentifier(rawValue: try reader.byte()) else { throw .unknownProperty }
        guard !identifier.places.isDisjoint(with: place) else { throw .misplacedProperty }
        let bit = UInt64(1) << UInt64(identifier.rawValue)
        if seen & bit != 0, identifier != .userProperty, !(identifier == .subscriptionIdentifier && place == .publish) {
            throw .repeatedProperty
        }
        seen |= bit
        var number: UInt32 = 0
        var value = 0..<0
        var second = 0..<0
        switch identifier.form {
        case .byte: number = UInt32(try reader.byte())
        case .twoBytes: number = UInt32(try reader.twoBytes())
        case .fourBytes: number = try reader.fourBytes()
        case .variableByteInteger: number = try reader.variableByteInteger()
        case .text: value = try reader.text()
        case .binary: value = try reader.field()
        case .textPair:
            value = try reader.text()
            second = try reader.text()
        }
        try Self.check(identifier, number)
        if identifier == .responseTopic {
            let topic = UnsafeRawBufferPointer(rebasing: reader.bytes[value])
            guard !topic.isEmpty, !TopicRules.hasWildcard(topic) else { throw .responseTopic }
        }
        return PropertyView(
            identifier: identifier, number: number, value: value, second: second, range: start..<reader.offset)
    }

    private static func check(_ identifier: PropertyIdentifier, _ number: UInt32) throws(Violation) {
        switch identifier {
        case .topicAlias: guard number != 0 else { throw .zeroAlias }
        case .receiveMaximum, .maximumPacketSize, .subscriptionIdentifier:
            guard number != 0 else { throw .propertyValue }
        default: if identifier.form == .byte, number > 1 { throw .propertyValue }
        }
    }
}
