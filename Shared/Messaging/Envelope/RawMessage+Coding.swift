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
            transport: view.transport, contentType: view.contentType, created: view.created, payload: view.payload,
            mqtt: view.mqtt)
    }

    /// Size of the wire form in bytes, exactly.
    public var encodedSize: Int {
        let identifier = 2 + DomainID.textLength
        return 3 * identifier + Self.size(of: subtopic.utf8.count) + Self.size(of: transport.rawValue.utf8.count)
            + Self.size(of: payload.readableBytes) + Self.size(of: contentType.mediaType.utf8.count)
            + (created == 0 ? 0 : 1 + Self.varintSize(UInt64(bitPattern: created)))
            + (mqtt.map { Self.size(of: $0.encodedSize) } ?? 0)
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
            _ = encode(to: &writer)
            return writer.offset
        }
    }

    /// - Returns: where the fields behind `created` begin.
    @inline(__always)
    func encode(to writer: inout ProtobufWriter) -> Int {
        writer.write(identifier: channel, field: .channel)
        writer.write(identifier: domain, field: .domain)
        writer.write(text: subtopic, field: .subtopic)
        writer.write(identifier: publisher, field: .publisher)
        writer.write(text: transport.rawValue, field: .transport)
        payload.withUnsafeReadableBytes { writer.write(bytes: $0, field: .payload) }
        if created != 0 { writer.write(varint: UInt64(bitPattern: created), field: .created) }
        let tailStart = writer.offset
        if let mqtt { writer.write(mqtt) }
        writer.write(text: contentType.mediaType, field: .contentType)
        return tailStart
    }

    /// A length-delimited field with a one-byte tag; an empty one is not written.
    static func size(of length: Int) -> Int {
        length == 0 ? 0 : 1 + varintSize(UInt64(length)) + length
    }

    static func varintSize(_ value: UInt64) -> Int {
        // Seven bits a byte, at least one byte.
        max(1, (64 - value.leadingZeroBitCount + 6) / 7)
    }
}

extension MQTTDetails {
    /// Never 0: the flags are always there.
    var encodedSize: Int {
        2 + (session == 0 ? 0 : 9) + RawMessage.size(of: properties.readableBytes)
    }
}

/// Writes fields one behind the other into memory that is known to be large enough.
struct ProtobufWriter {
    private let bytes: UnsafeMutableRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeMutableRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func write<Kind>(identifier: Identifier<Kind>, field: RawMessageError.Field) {
        identifier.withText { write(bytes: $0, field: field) }
    }

    mutating func write(_ mqtt: MQTTDetails) {
        append(tag(RawMessageError.Field.mqtt.rawValue, .lengthDelimited))
        append(varint: UInt64(mqtt.encodedSize))
        append(tag(MQTTDetails.Field.flags.rawValue, .varint))
        append(mqtt.flags)
        write(fixed64: mqtt.session, field: .session)
        guard mqtt.properties.readableBytes > 0 else { return }
        append(tag(MQTTDetails.Field.properties.rawValue, .lengthDelimited))
        mqtt.properties.withUnsafeReadableBytes { properties in
            append(varint: UInt64(properties.count))
            append(bytes: properties)
        }
    }

    private mutating func write(fixed64 value: UInt64, field: MQTTDetails.Field) {
        guard value != 0 else { return }
        append(tag(field.rawValue, .fixed64))
        withUnsafeBytes(of: value.littleEndian) { append(bytes: $0) }
    }

    /// Of one byte: the numbers are below 16.
    private func tag(_ number: UInt32, _ type: ProtobufReader.WireType) -> UInt8 {
        UInt8(truncatingIfNeeded: number << 3) | type.rawValue
    }

    mutating func append(bytes value: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + value.count)]).copyMemory(from: value)
        offset += value.count
    }

    mutating func write(text: String, field: RawMessageError.Field) {
        var text = text
        text.withUTF8 { write(bytes: UnsafeRawBufferPointer($0), field: field) }
    }

    mutating func write(bytes value: UnsafeRawBufferPointer, field: RawMessageError.Field) {
        guard !value.isEmpty else { return }
        append(tag(field.rawValue, .lengthDelimited))
        append(varint: UInt64(value.count))
        append(bytes: value)
    }

    mutating func write(varint value: UInt64, field: RawMessageError.Field) {
        append(tag(field.rawValue, .varint))
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
