// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// Frames as ``Wire`` describes them, appended to a buffer.
enum FrameEncoding {
    enum Reply {
        case none
        case subject(String)
        /// `prefix` and a decimal number: an inbox of the connection.
        case inbox(prefix: [UInt8], number: UInt64)
    }

    /// Message identifiers are at most 64 bytes; the other text headers are bounded by their length field.
    static let messageIDBytes = 64

    /// Appends a publish frame; on a throw the buffer is as it was.
    static func appendPublish(
        to buffer: inout ByteBuffer, token: UInt32, headers: BusHeaders, reply: Reply, maximumPayloadBytes: Int,
        writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void
    ) throws(BusError) {
        let start = buffer.writerIndex
        do throws(BusError) {
            var flags: Wire.Flags = token == 0 ? [] : .durable
            if headers.messageID != nil { flags.insert(.hasMessageID) }
            buffer.writeRepeatingByte(0, count: Wire.headLength)
            writeSubject(&buffer)
            let subjectLength = buffer.writerIndex - start - Wire.headLength
            try validateSubject(in: buffer, at: start + Wire.headLength, length: subjectLength)
            let replyLength = try appendReply(reply, to: &buffer)
            let headersLength = headers.isEmpty ? 0 : try append(headers, to: &buffer)
            let payloadStart = buffer.writerIndex
            writePayload(&buffer)
            guard buffer.writerIndex - payloadStart <= maximumPayloadBytes else {
                throw BusError.payloadTooLarge(limit: maximumPayloadBytes)
            }
            // The lengths fit: a subject has at most 1,024 bytes, headers less than 600, and the payload was just checked.
            buffer.setInteger(
                UInt32(truncatingIfNeeded: buffer.writerIndex - start - 4), at: start, endianness: .little)
            buffer.setInteger(Wire.Opcode.publish.rawValue, at: start + 4)
            buffer.setInteger(flags.rawValue, at: start + 5)
            buffer.setInteger(UInt16(truncatingIfNeeded: subjectLength), at: start + 6, endianness: .little)
            buffer.setInteger(token, at: start + 8, endianness: .little)
            buffer.setInteger(UInt16(truncatingIfNeeded: replyLength), at: start + 12, endianness: .little)
            buffer.setInteger(UInt16(truncatingIfNeeded: headersLength), at: start + 14, endianness: .little)
        } catch {
            buffer.moveWriterIndex(to: start)
            throw error
        }
    }

    /// Appends a publish frame to a subject that was checked.
    ///
    /// - Parameter token: 0: no acknowledgement is wanted.
    /// - Returns: the payload's length, which is the caller's to check.
    @inline(__always)
    static func append(
        to buffer: inout ByteBuffer, _ subject: [UInt8], token: UInt32 = 0, origin: UInt64?,
        _ writePayload: (inout ByteBuffer) -> Void
    ) -> Int {
        let start = buffer.writerIndex
        let headersLength = origin == nil ? 0 : originHeaderLength
        let before = Wire.headLength + subject.count + headersLength
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: before) { bytes in
            // Every subject that was checked has at least one byte.
            guard let base = bytes.baseAddress else { return 0 }
            UnsafeMutableRawBufferPointer(start: base + Wire.headLength, count: subject.count).copyBytes(from: subject)
            base.storeBytes(of: Wire.Opcode.publish.rawValue, toByteOffset: 4, as: UInt8.self)
            let flags: Wire.Flags = token == 0 ? [] : .durable
            base.storeBytes(of: flags.rawValue, toByteOffset: 5, as: UInt8.self)
            base.storeBytes(
                of: UInt16(truncatingIfNeeded: subject.count).littleEndian, toByteOffset: 6, as: UInt16.self)
            base.storeBytes(of: token.littleEndian, toByteOffset: 8, as: UInt32.self)
            base.storeBytes(of: 0, toByteOffset: 12, as: UInt16.self)
            base.storeBytes(
                of: UInt16(truncatingIfNeeded: headersLength).littleEndian, toByteOffset: 14, as: UInt16.self)
            if let origin {
                let header = base + Wire.headLength + subject.count
                header.storeBytes(of: Wire.HeaderType.origin.rawValue, as: UInt8.self)
                header.storeBytes(of: UInt8(MemoryLayout<UInt64>.size), toByteOffset: 1, as: UInt8.self)
                header.storeBytes(of: origin.littleEndian, toByteOffset: 2, as: UInt64.self)
            }
            return before
        }
        writePayload(&buffer)
        buffer.setInteger(UInt32(truncatingIfNeeded: buffer.writerIndex - start - 4), at: start, endianness: .little)
        return buffer.writerIndex - start - before
    }

    private static let originHeaderLength = 2 + MemoryLayout<UInt64>.size

    private static func validateSubject(in buffer: ByteBuffer, at start: Int, length: Int) throws(BusError) {
        let isValid = buffer.withUnsafeReadableBytes { bytes in
            let offset = start - buffer.readerIndex
            return SubjectFilter.isValidSubject(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]))
        }
        guard !isValid else { return }
        throw .invalidSubject(buffer.getString(at: start, length: min(length, Limits.subjectBytes)) ?? "")
    }

    private static func appendReply(_ reply: Reply, to buffer: inout ByteBuffer) throws(BusError) -> Int {
        let start = buffer.writerIndex
        switch reply {
        case .none: return 0
        case .subject(let subject):
            guard SubjectFilter.isValidSubject(subject) else { throw .invalidSubject(subject) }
            buffer.writeString(subject)
        case .inbox(let prefix, let number):
            buffer.writeBytes(prefix)
            buffer.writeString(String(number))
        }
        return buffer.writerIndex - start
    }

    private static func append(_ headers: BusHeaders, to buffer: inout ByteBuffer) throws(BusError) -> Int {
        let start = buffer.writerIndex
        if let messageID = headers.messageID {
            guard (1...messageIDBytes).contains(messageID.utf8.count) else {
                throw .invalidConfiguration("a message identifier has 1 to \(messageIDBytes) bytes")
            }
            appendHeader(.messageID, messageID, to: &buffer)
        }
        if let traceparent = headers.traceparent {
            guard traceparent.utf8.count <= UInt8.max else {
                throw .invalidConfiguration("a traceparent has at most 255 bytes")
            }
            appendHeader(.traceparent, traceparent, to: &buffer)
        }
        if let origin = headers.origin {
            buffer.writeMultipleIntegers(Wire.HeaderType.origin.rawValue, UInt8(MemoryLayout<UInt64>.size))
            buffer.writeInteger(origin, endianness: .little)
        }
        return buffer.writerIndex - start
    }

    private static func appendHeader(_ type: Wire.HeaderType, _ text: String, to buffer: inout ByteBuffer) {
        buffer.writeInteger(type.rawValue)
        buffer.writeInteger(UInt8(truncatingIfNeeded: text.utf8.count))
        buffer.writeString(text)
    }

    /// Appends a control frame.
    static func appendControl(
        to buffer: inout ByteBuffer, _ opcode: Wire.Opcode, token: UInt32 = 0, extra: UInt16 = 0,
        body: (inout ByteBuffer) -> Void = { _ in }
    ) {
        let start = buffer.writerIndex
        buffer.writeMultipleIntegers(UInt32(0), opcode.rawValue, UInt8(0), extra, token, endianness: .little)
        body(&buffer)
        buffer.setInteger(UInt32(truncatingIfNeeded: buffer.writerIndex - start - 4), at: start, endianness: .little)
    }
}
