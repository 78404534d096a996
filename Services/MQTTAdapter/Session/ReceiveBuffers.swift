// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// How large a connection's buffer for what it receives is. A connection keeps its buffer, so it begins small; it doubles as often as a read fills it, and is
/// to be half as large after two reads in turn for which half would do.
///
/// As NIO's `AdaptiveRecvByteBufferAllocator` does it, which is too large to be kept in place and costs every connection an allocation of its own.
struct ReceiveBuffers: RecvByteBufferAllocator {
    /// Bytes, a power of two: most CONNECT packets, and all that an idle client sends, are read at once.
    static let smallest = 128
    static let largest = 65_536

    private var size = UInt32(smallest)
    /// Half would have done for the last read.
    private var wasTooLarge = false

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: Int(size)) }

    func nextBufferSize() -> Int? { Int(size) }

    /// - Returns: whether the next buffer is larger.
    mutating func record(actualReadBytes: Int) -> Bool {
        let half = size / 2
        if actualReadBytes <= Int(half), Int(half) >= Self.smallest {
            if wasTooLarge { size = half }
            wasTooLarge.toggle()
            return false
        }
        wasTooLarge = false
        guard actualReadBytes >= Int(size), Int(size) < Self.largest else { return false }
        size *= 2
        return true
    }
}
