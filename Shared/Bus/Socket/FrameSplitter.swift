// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Cuts a byte stream into frames where they lie, whatever the reads' boundaries.
///
/// Whole frames are handed on in place, many at a time; only a frame that a read splits is put together in a buffer of its own.
struct FrameSplitter {
    /// Length field, opcode, flags and two more bytes at the least; both heads are longer, and their readers check that.
    private static let leastLength = 8

    let maximumFrameBytes: Int
    private var partial = ByteBuffer()

    init(maximumFrameBytes: Int) { self.maximumFrameBytes = maximumFrameBytes }

    /// The length of the frame at `offset` of what ``feed(_:_:)`` hands on, where there are whole frames only.
    @inline(__always)
    static func wholeFrameLength(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))) + 4
    }

    /// The whole frame's length, or nil while the length field is incomplete.
    /// - Throws: ``BusError/protocolViolation(_:)`` for one that no frame can have.
    @inline(__always)
    private func frameLength(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(BusError) -> Int? {
        guard bytes.count - offset >= 4 else { return nil }
        let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        guard length >= Self.leastLength, length <= maximumFrameBytes else {
            throw .protocolViolation("a frame of \(length) bytes")
        }
        return length + 4
    }

    /// Calls `body` with stretches of whole frames, in order.
    mutating func feed(
        _ read: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(BusError) -> Void
    ) throws(BusError) {
        var bytes = read
        if partial.readableBytes > 0 {
            bytes = try completePartial(from: bytes, body)
            if bytes.isEmpty { return }
        }
        var end = 0
        while let length = try frameLength(bytes, at: end), bytes.count - end >= length { end += length }
        if end > 0 { try body(UnsafeRawBufferPointer(rebasing: bytes[..<end])) }
        if end < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[end...])
            if let length = try frameLength(rest, at: 0) { partial.reserveCapacity(length) }
            partial.writeBytes(rest)
        }
    }

    /// - Returns: what is left of the read behind the frame.
    private mutating func completePartial(
        from read: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(BusError) -> Void
    ) throws(BusError) -> UnsafeRawBufferPointer {
        var bytes = read
        if partial.readableBytes < 4 {
            take(4 - partial.readableBytes, from: &bytes)
            guard partial.readableBytes >= 4 else { return bytes }
        }
        guard let field = partial.getInteger(at: partial.readerIndex, endianness: .little, as: UInt32.self),
            Int(field) >= Self.leastLength, Int(field) <= maximumFrameBytes
        else { throw .protocolViolation("a frame of a length that no frame has") }
        let length = Int(field) + 4
        partial.reserveCapacity(length)
        take(length - partial.readableBytes, from: &bytes)
        guard partial.readableBytes == length else { return bytes }
        // Taken out, so that `body` sees a splitter that is ready for the next read, and a large buffer is given back.
        let frame = partial
        partial = ByteBuffer()
        var failure: BusError?
        frame.withUnsafeReadableBytes { bytes in
            do throws(BusError) { try body(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    private mutating func take(_ wanted: Int, from bytes: inout UnsafeRawBufferPointer) {
        let count = min(wanted, bytes.count)
        partial.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        bytes = UnsafeRawBufferPointer(rebasing: bytes[count...])
    }
}
