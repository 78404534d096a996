// SPDX-License-Identifier: Apache-2.0
import CLinux

/// How this process's allocator deals with memory that is let go of.
public enum ProcessMemory {
    /// For services whose buffers of some hundred kilobytes come and go with every round: they are not mapped and unmapped, page by page, each time.
    /// Up to 64 MiB that are free stay with the process. Call it before anything else runs.
    public static func keepBuffers() {
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 64 << 20)
    }
}
