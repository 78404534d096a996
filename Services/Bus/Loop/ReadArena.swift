// SPDX-License-Identifier: Apache-2.0

/// Memory that one tick of the loop reads into, connection after connection.
///
/// What is read stays where it is until every peer was written to, so that frames can be sent on from where they arrived.
final class ReadArena {
    /// Read from one connection at a time: a socket buffer of the kernel's default size brings no more, and 256 KiB stay in the
    /// second-level cache.
    static let readBytes = 256 << 10
    /// A split frame longer than this is collected in memory of its own instead of being moved in front of the next read.
    static let maximumCarriedBytes = 64 << 10
    /// Eight reads, or very many small ones, between two rounds of writing.
    static let capacity = 8 * readBytes

    private let base = UnsafeMutableRawPointer.allocate(byteCount: ReadArena.capacity, alignment: 64)
    private var used = 0

    deinit { base.deallocate() }

    /// Whether another read behind `carried` bytes fits; if not, everything must be flushed and ``reset()`` called first.
    func hasRoom(carried: Int) -> Bool { Self.capacity - used >= Self.readBytes + carried }

    /// Where the next read goes.
    var next: UnsafeMutableRawPointer { base + used }

    /// Keeps the first `count` bytes from ``next`` on.
    func keep(_ count: Int) { used += (count + 63) & ~63 }

    func reset() { used = 0 }
}
