// SPDX-License-Identifier: Apache-2.0
import Messaging

/// Reads the fields of one packet, in place (section 1.5).
package struct PacketReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var offset: Int
    let end: Int

    /// - Parameter range: cut to the bytes there are.
    init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
        self.bytes = bytes
        end = min(range.upperBound, bytes.count)
        offset = min(range.lowerBound, end)
    }

    var isAtEnd: Bool { offset == end }
    var remaining: Range<Int> { offset..<end }

    @inline(__always)
    mutating func byte() throws(Violation) -> UInt8 {
        guard offset < end else { throw .truncated }
        defer { offset += 1 }
        return bytes[offset]
    }

    @inline(__always)
    mutating func twoBytes() throws(Violation) -> UInt16 {
        guard end - offset >= 2 else { throw .truncated }
        defer { offset += 2 }
        return UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    mutating func fourBytes() throws(Violation) -> UInt32 {
        guard end - offset >= 4 else { throw .truncated }
        defer { offset += 4 }
        return UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    mutating func variableByteInteger() throws(Violation) -> UInt32 {
        var value: UInt32 = 0
        var shift: UInt32 = 0
        while shift <= 21 {
            let next = try byte()
            value |= UInt32(next & 0x7F) << shift
            if next < 0x80 {
                guard next != 0 || shift == 0 else { throw .lengthNotMinimal }
                return value
            }
            shift += 7
        }
        throw .lengthTooLong
    }

    /// Two bytes of length and so many bytes.
    @inline(__always)
    mutating func field() throws(Violation) -> Range<Int> {
        let length = Int(try twoBytes())
        guard end - offset >= length else { throw .truncated }
        defer { offset += length }
        return offset..<offset + length
    }

    /// The place of a UTF-8 string, checked.
    mutating func text() throws(Violation) -> Range<Int> {
        let range = try field()
        try Self.check(text: UnsafeRawBufferPointer(rebasing: bytes[range]))
        return range
    }

    mutating func string() throws(Violation) -> String {
        string(in: try text())
    }

    mutating func binary() throws(Violation) -> [UInt8] {
        Array(bytes[try field()])
    }

    mutating func packetIdentifier() throws(Violation) -> UInt16 {
        let identifier = try twoBytes()
        guard identifier != 0 else { throw .zeroPacketIdentifier }
        return identifier
    }

    mutating func skipToEnd() { offset = end }

    /// Goes behind a part that was read by another reader.
    mutating func move(to position: Int) { offset = min(max(offset, position), end) }

    func string(in range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    func finish() throws(Violation) {
        guard isAtEnd else { throw .surplus }
    }

    /// Well-formed UTF-8 without U+0000 ([MQTT-1.5.4-1], [MQTT-1.5.4-2]). A byte order mark is text like any other ([MQTT-1.5.4-3]).
    static func check(text: UnsafeRawBufferPointer) throws(Violation) {
        for byte in text where byte == 0 { throw .nullInText }
        guard UTF8Validation.isValid(text) else { throw .invalidText }
    }
}
