// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

extension RawMessage {
    /// Reads the readable bytes of `buffer`; the payload shares their storage.
    ///
    /// Unknown fields are skipped; whatever is malformed, missing or longer than ``Core/Limits`` allows is an error.
    public init(decoding buffer: ByteBuffer) throws(RawMessageError) {
        let view = try RawMessageView(decoding: buffer)
        self.init(
            domain: view.domain, channel: view.channel, subtopic: view.subtopic, publisher: view.publisher,
            transport: view.transport, contentType: view.contentType, created: view.created, payload: view.payload)
    }

    /// Size of the wire form in bytes, exactly.
    public var encodedSize: Int {
        let identifier = 2 + DomainID.textLength
        return 3 * identifier + Self.size(of: subtopic.utf8.count) + Self.size(of: transport.rawValue.utf8.count)
            + Self.size(of: payload.readableBytes) + Self.size(of: contentType.mediaType.utf8.count)
            + (created == 0 ? 0 : 1 + Self.varintSize(UInt64(bitPattern: created)))
    }

    /// Appends the wire form (`RawMessage.proto`, fields in order of number, empty ones left out as proto3 has it): one reservation, one copy
    /// of the payload.
    ///
    /// Limits are the sender's to keep: a message that breaks them is written and refused by whoever decodes it.
    public func encode(into buffer: inout ByteBuffer) {
        let size = encodedSize
        buffer.reserveCapacity(minimumWritableBytes: size)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { bytes in
            var writer = ProtobufWriter(bytes)
            writer.write(identifier: channel, field: .channel)
            writer.write(identifier: domain, field: .domain)
            writer.write(text: subtopic, field: .subtopic)
            writer.write(identifier: publisher, field: .publisher)
            writer.write(text: transport.rawValue, field: .transport)
            payload.withUnsafeReadableBytes { writer.write(bytes: $0, field: .payload) }
            if created != 0 { writer.write(varint: UInt64(bitPattern: created), field: .created) }
            writer.write(text: contentType.mediaType, field: .contentType)
            return writer.offset
        }
    }

    /// A length-delimited field with a one-byte tag; an empty one is not written.
    private static func size(of length: Int) -> Int {
        length == 0 ? 0 : 1 + varintSize(UInt64(length)) + length
    }

    private static func varintSize(_ value: UInt64) -> Int {
        // Seven bits a byte, at least one byte.
        max(1, (64 - value.leadingZeroBitCount + 6) / 7)
    }
}

/// Writes fields one behind the other into memory that is known to be large enough.
private struct ProtobufWriter {
    private let bytes: UnsafeMutableRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeMutableRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func write<Kind>(identifier: Identifier<Kind>, field: RawMessageError.Field) {
        identifier.withText { write(bytes: $0, field: field) }
    }

    mutating func write(text: String, field: RawMessageError.Field) {
        var text = text
        text.withUTF8 { write(bytes: UnsafeRawBufferPointer($0), field: field) }
    }

    mutating func write(bytes value: UnsafeRawBufferPointer, field: RawMessageError.Field) {
        guard !value.isEmpty else { return }
        append(UInt8(truncatingIfNeeded: field.rawValue << 3) | ProtobufReader.WireType.lengthDelimited.rawValue)
        append(varint: UInt64(value.count))
        UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + value.count)]).copyMemory(from: value)
        offset += value.count
    }

    mutating func write(varint value: UInt64, field: RawMessageError.Field) {
        append(UInt8(truncatingIfNeeded: field.rawValue << 3) | ProtobufReader.WireType.varint.rawValue)
        append(varint: value)
    }

    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    private mutating func append(_ byte: UInt8) {
        bytes[offset] = byte
        offset += 1
    }
}
