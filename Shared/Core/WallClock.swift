// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where the time of day comes from; tests pass one that they set.
public struct WallClock: Sendable {
    private let read: @Sendable () -> Int64

    public init(read: @escaping @Sendable () -> Int64) {
        self.read = read
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    @inline(__always)
    public func now() -> Int64 { read() }

    /// `CLOCK_REALTIME`.
    public static let system = WallClock {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
