// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Memory that a burst needed, a window of 32 MiB and batches of 8 MiB, goes back to the kernel when it is over.
///
/// Left alone, the allocator learns from the large blocks to keep up to 64 MiB in each of its arenas, and has eight arenas for each processor. After a burst
/// most of that lies between blocks that live on, where it is kept in any case: it has to be given back by hand.
enum SpareMemory {
    /// So much may be free and kept: what the everyday needs, so that pages do not come and go.
    private static let keptBytes = 8 << 20

    /// For the whole process, before there are other threads.
    static func limit() {
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, 1 << 20)
        mallopt(M_TRIM_THRESHOLD, 2 << 20)
    }

    /// When nothing waits; takes a few milliseconds when there is something to give.
    static func giveBack() {
        guard mallinfo2().fordblks > keptBytes else { return }
        malloc_trim(0)
    }
}
