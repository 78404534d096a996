// SPDX-License-Identifier: Apache-2.0
import Core
import Glibc

extension WallClock {
    /// `CLOCK_MONOTONIC`: nanoseconds since some moment; never goes back. For ages and rates, not for the time of day.
    static let monotonic = WallClock {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
