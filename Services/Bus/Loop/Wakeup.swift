// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Wakes the loop from another thread.
final class Wakeup: Sendable {
    let descriptor: Int32

    init() throws(SystemError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard descriptor >= 0 else { throw SystemError("eventfd") }
    }

    deinit { close(descriptor) }

    func signal() {
        var one: UInt64 = 1
        // Fails only when the counter is about to overflow, and then the loop is awake.
        _ = write(descriptor, &one, 8)
    }

    func acknowledge() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}

enum MonotonicClock {
    /// Nanoseconds since some point in the past; never goes back.
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
