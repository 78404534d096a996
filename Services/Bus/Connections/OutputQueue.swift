// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// What waits to be written to one connection.
///
/// First come bytes that the queue owns, then ranges of memory that somebody else keeps in place until the end of the tick (frames where
/// they were read). ``send(to:)`` writes both with one call; what the socket did not take is then copied, so that nothing foreign is
/// referred to after it. The limit is kept by the broker, which knows what to do about it.
struct OutputQueue: ~Copyable {
    /// A shorter range is copied: one more entry of the vector costs the kernel about as much.
    static let stableThreshold = 2048
    /// Entries of the vector; Linux takes 1,024 (UIO_MAXIOV).
    private static let maximumSegments = 256
    /// Memory that a drained queue keeps.
    private static let keptCapacity = 4 << 10

    enum Outcome {
        case drained
        case blocked
        case broken
    }

    private var buffer: UnsafeMutableRawPointer?
    private var capacity = 0
    private var start = 0
    private var end = 0
    private var segments: UnsafeMutablePointer<iovec>?
    private var segmentCount = 0
    private var segmentBytes = 0
    /// Bytes at the beginning of the queue that belong to a frame whose beginning was sent.
    private var startedFrameBytes = 0

    deinit {
        free(buffer)
        segments?.deallocate()
    }

    var count: Int { end &- start &+ segmentBytes }
    var isEmpty: Bool { count == 0 }

    /// Copies a run of whole frames.
    @inline(__always)
    mutating func append(_ bytes: UnsafeRawPointer, _ length: Int) {
        reserve(length).copyMemory(from: bytes, byteCount: length)
    }

    /// Appends a run of whole frames whose memory stays in place until the next ``send(to:)`` or ``settle()``.
    @inline(__always)
    mutating func appendStable(_ bytes: UnsafeRawPointer, _ length: Int) {
        guard length >= Self.stableThreshold, segmentCount < Self.maximumSegments else {
            return append(bytes, length)
        }
        let segments = self.segments ?? allocateSegments()
        segments[segmentCount] = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes), iov_len: length)
        segmentCount &+= 1
        segmentBytes &+= length
    }

    /// Room for `length` bytes that the caller fills in at once with whole frames.
    @inline(__always)
    mutating func reserve(_ length: Int) -> UnsafeMutableRawPointer {
        if segmentCount > 0 { settle() }
        guard let buffer, end &+ length <= capacity else { return grow(length) }
        defer { end &+= length }
        return buffer + end
    }

    @inline(never)
    private mutating func allocateSegments() -> UnsafeMutablePointer<iovec> {
        let allocated = UnsafeMutablePointer<iovec>.allocate(capacity: Self.maximumSegments)
        segments = allocated
        return allocated
    }

    /// Moves what is left to the front, or doubles the memory.
    @inline(never)
    private mutating func grow(_ length: Int) -> UnsafeMutableRawPointer {
        let used = end - start
        var larger = max(capacity, 1 << 10)
        // More than half in use: moving alone would be done again soon.
        while larger < (used + length) * 3 / 2 { larger *= 2 }
        let target: UnsafeMutableRawPointer
        if larger == capacity, let buffer {
            memmove(buffer, buffer + start, used)
            target = buffer
        } else {
            guard let allocated = malloc(larger) else { fatalError("out of memory") }
            if let buffer {
                memcpy(allocated, buffer + start, used)
                free(buffer)
            }
            target = allocated
            buffer = allocated
            capacity = larger
        }
        start = 0
        end = used + length
        return target + used
    }

    /// Copies the foreign ranges.
    mutating func settle() {
        guard let segments, segmentCount > 0 else { return }
        let count = segmentCount
        let total = segmentBytes
        segmentCount = 0
        segmentBytes = 0
        var target = reserve(total)
        for index in 0..<count {
            let length = segments[index].iov_len
            if let base = segments[index].iov_base { memcpy(target, base, length) }
            target += length
        }
    }

    /// Writes as much as the socket takes, with one call as a rule.
    mutating func send(to descriptor: Int32) -> Outcome {
        while !isEmpty {
            let sent = sendOnce(to: descriptor)
            if sent < 0 {
                switch errno {
                case EINTR: continue
                case EAGAIN, ENOBUFS, ENOMEM:
                    settle()
                    return .blocked
                default:
                    return .broken
                }
            }
            if sent == count {
                clear()
                return .drained
            }
            advance(sent)
        }
        return .drained
    }

    private func sendOnce(to descriptor: Int32) -> Int {
        guard segmentCount > 0, let segments else {
            return Glibc.send(descriptor, buffer.map { $0 + start }, end - start, Int32(MSG_NOSIGNAL))
        }
        return withUnsafeTemporaryAllocation(of: iovec.self, capacity: segmentCount + 1) { vector in
            var entries = 0
            if end > start {
                vector[0] = iovec(iov_base: buffer.map { $0 + start }, iov_len: end - start)
                entries = 1
            }
            for index in 0..<segmentCount { vector[entries + index] = segments[index] }
            var message = msghdr()
            message.msg_iov = vector.baseAddress
            message.msg_iovlen = entries + segmentCount
            return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
        }
    }

    /// Takes away what was sent, remembering how much of a frame is still owed.
    private mutating func advance(_ sent: Int) {
        settle()
        guard let buffer else { return }
        var boundary = startedFrameBytes
        while boundary < sent {
            boundary += Int((buffer + start + boundary).loadUnaligned(as: UInt32.self)) + 4
        }
        startedFrameBytes = boundary - sent
        start += sent
    }

    private mutating func clear() {
        start = 0
        end = 0
        segmentCount = 0
        segmentBytes = 0
        startedFrameBytes = 0
        if capacity > Self.keptCapacity {
            free(buffer)
            buffer = nil
            capacity = 0
        }
    }

    /// Drops everything but the rest of a frame whose beginning was sent.
    mutating func truncate() {
        settle()
        end = start + min(startedFrameBytes, end - start)
    }
}
