// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// The wire form of messages that differ in nothing but payload and time: what they share is encoded once and copied for each.
public struct RawMessageTemplate: Sendable {
    /// The fields before the payload.
    private let head: [UInt8]
    /// Those behind `created`.
    private let tail: [UInt8]

    /// - Parameter message: its payload and `created` are not looked at.
    public init(_ message: RawMessage) {
        var bare = message
        bare.payload = ByteBuffer()
        bare.created = 0
        let size = bare.encodedSize
        var tailStart = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
            var writer = ProtobufWriter(UnsafeMutableRawBufferPointer(bytes))
            tailStart = bare.encode(to: &writer)
            count = writer.offset
        }
        head = Array(bytes[..<tailStart])
        tail = Array(bytes[tailStart...])
    }

    /// Appends one message, as ``RawMessage/encode(into:)`` does.
    ///
    /// - Parameter created: nanoseconds since 1970.
    public func encode(_ payload: UnsafeRawBufferPointer, created: Int64, into buffer: inout ByteBuffer) {
        let time = created == 0 ? 0 : 1 + RawMessage.varintSize(UInt64(bitPattern: created))
        let size = head.count + RawMessage.size(of: payload.count) + time + tail.count
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { bytes in
            var writer = ProtobufWriter(bytes)
            head.withUnsafeBytes { writer.append(bytes: $0) }
            writer.write(bytes: payload, field: .payload)
            if created != 0 { writer.write(varint: UInt64(bitPattern: created), field: .created) }
            tail.withUnsafeBytes { writer.append(bytes: $0) }
            return writer.offset
        }
    }
}
