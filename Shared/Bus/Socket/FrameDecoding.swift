// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Delivered frames as messages. It runs in the reader's task, not on the event loop; payloads are slices of what was delivered.
enum FrameDecoding {
    static func messages(in chunks: [ByteBuffer], subjects: inout SubjectTable) -> [BusMessage] {
        var messages: [BusMessage] = []
        for chunk in chunks {
            forEachFrame(in: chunk) { parts, bytes in
                messages.append(
                    BusMessage(
                        subject: subjects.string(for: UnsafeRawBufferPointer(rebasing: bytes[parts.subject])),
                        reply: parts.reply.isEmpty ? nil : String(decoding: bytes[parts.reply], as: UTF8.self),
                        headers: parts.headers.isEmpty ? BusHeaders() : headers(bytes, in: parts.headers),
                        payload: slice(chunk, parts.payload)))
            }
        }
        return messages
    }

    static func streamMessages(in chunks: [ByteBuffer], subjects: inout SubjectTable) -> [StreamMessage] {
        streamRead(in: chunks, subjects: &subjects).messages
    }

    /// With 0 as the position where no end is marked.
    static func streamRead(in chunks: [ByteBuffer], subjects: inout SubjectTable) -> StreamRead {
        var messages: [StreamMessage] = []
        var end = (through: UInt64(0), passedOver: 0)
        for chunk in chunks {
            forEachFrame(in: chunk) { parts, bytes in
                guard let stream = parts.stream else { return }
                if parts.isEnd {
                    end.through = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: stream, as: UInt64.self))
                    end.passedOver = Int(
                        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: stream + 16, as: UInt32.self)))
                    return
                }
                messages.append(
                    StreamMessage(
                        sequence: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: stream, as: UInt64.self)),
                        storedAt: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: stream + 8, as: Int64.self)),
                        deliveryCount: UInt32(
                            littleEndian: bytes.loadUnaligned(fromByteOffset: stream + 16, as: UInt32.self)),
                        subject: subjects.string(for: UnsafeRawBufferPointer(rebasing: bytes[parts.subject])),
                        headers: parts.headers.isEmpty ? BusHeaders() : headers(bytes, in: parts.headers),
                        payload: slice(chunk, parts.payload)))
            }
        }
        return StreamRead(messages: messages, through: end.through, passedOver: end.passedOver)
    }

    /// Where the parts of a data-plane frame lie.
    struct Parts {
        /// Of the stream head, in stream deliveries.
        var stream: Int?
        /// ``Wire/Flags/end``
        var isEnd: Bool
        var subject: Range<Int>
        var reply: Range<Int>
        var headers: Range<Int>
        var payload: Range<Int>

        /// Reads the head of the frame at `start ..< end`; nil when its lengths contradict each other.
        @inline(__always)
        init?(_ bytes: UnsafeRawBufferPointer, start: Int, end: Int) {
            guard end - start >= Wire.headLength else { return nil }
            let isStream = bytes[start + 4] == Wire.Opcode.streamDelivery.rawValue
            let subjectStart = start + Wire.headLength + (isStream ? Wire.streamHeadLength : 0)
            let subjectLength = Int(Self.short(bytes, start + 6))
            let replyStart = subjectStart + subjectLength
            let headersStart = replyStart + Int(Self.short(bytes, start + 12))
            let payloadStart = headersStart + Int(Self.short(bytes, start + 14))
            isEnd = isStream && Wire.Flags(rawValue: bytes[start + 5]).contains(.end)
            guard subjectLength > 0 || isEnd, payloadStart <= end else { return nil }
            stream = isStream ? start + Wire.headLength : nil
            subject = subjectStart..<replyStart
            reply = replyStart..<headersStart
            headers = headersStart..<payloadStart
            payload = payloadStart..<end
        }

        @inline(__always)
        private static func short(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt16 {
            UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
        }
    }

    /// Calls `body` for each well-formed frame; the connection has checked them, anything else ends the walk.
    private static func forEachFrame(in chunk: ByteBuffer, _ body: (Parts, UnsafeRawBufferPointer) -> Void) {
        chunk.withUnsafeReadableBytes { bytes in
            var start = 0
            while bytes.count - start >= 4 {
                let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self)))
                guard length <= bytes.count - start - 4 else { return }
                let end = start + 4 + length
                guard let parts = Parts(bytes, start: start, end: end) else { return }
                body(parts, bytes)
                start = end
            }
        }
    }

    private static func slice(_ chunk: ByteBuffer, _ range: Range<Int>) -> ByteBuffer {
        chunk.getSlice(at: chunk.readerIndex + range.lowerBound, length: range.count) ?? ByteBuffer()
    }

    /// Unknown types are passed over; a run that is cut off ends there.
    static func headers(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>) -> BusHeaders {
        var headers = BusHeaders()
        var offset = range.lowerBound
        while range.upperBound - offset >= 2 {
            let type = bytes[offset]
            let end = offset + 2 + Int(bytes[offset + 1])
            guard end <= range.upperBound else { break }
            switch Wire.HeaderType(rawValue: type) {
            case .messageID: headers.messageID = String(decoding: bytes[offset + 2..<end], as: UTF8.self)
            case .traceparent: headers.traceparent = String(decoding: bytes[offset + 2..<end], as: UTF8.self)
            case .origin:
                guard end - offset - 2 == MemoryLayout<UInt64>.size else { break }
                headers.origin = UInt64(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt64.self))
            case .originalSubject, .originalSequence, .reason, .deliveryCount, .originalStoredAt:
                var origin = headers.deadLetter ?? noOrigin
                read(UnsafeRawBufferPointer(rebasing: bytes[offset + 2..<end]), type, into: &origin)
                headers.deadLetter = origin
            case nil: break
            }
            offset = end
        }
        return headers
    }

    private static let noOrigin = DeadLetterOrigin(subject: "", sequence: 0, storedAt: 0, deliveryCount: 0, reason: "")

    /// One header of a dead letter; a number that is too short is passed over.
    private static func read(_ value: UnsafeRawBufferPointer, _ type: UInt8, into origin: inout DeadLetterOrigin) {
        switch Wire.HeaderType(rawValue: type) {
        case .originalSubject: origin.subject += String(decoding: value, as: UTF8.self)
        case .reason: origin.reason = String(decoding: value, as: UTF8.self)
        case .originalSequence where value.count >= 8:
            origin.sequence = UInt64(littleEndian: value.loadUnaligned(as: UInt64.self))
        case .originalStoredAt where value.count >= 8:
            origin.storedAt = Int64(littleEndian: value.loadUnaligned(as: Int64.self))
        case .deliveryCount where value.count >= 4:
            origin.deliveryCount = UInt32(littleEndian: value.loadUnaligned(as: UInt32.self))
        default: break
        }
    }
}
