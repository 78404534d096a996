// SPDX-License-Identifier: Apache-2.0
import Core

/// Everything that can be set about the daemon; README.md lists the keys. The defaults serve one machine.
public struct BusConfiguration: Sendable, Equatable {
    /// Where services connect.
    public var socketPath: String
    /// Permissions of the socket file: who may connect at all.
    public var socketMode: UInt16 = 0o660
    /// Logs of streams and positions of consumers. One daemon at a time: a lock file in it says so.
    public var dataDirectory: String
    /// Users who may connect besides root and the daemon's own (SO_PEERCRED).
    public var allowedUserIDs: [UInt32] = []
    /// A JSON file with roles that are added to, or replace, the ones compiled in.
    public var rolesFile: String?
    /// Grants the role `test` everything; for tests and benchmarks only.
    public var allowsTestRole = false

    public var maximumConnections = 4096
    /// Above so many unsent bytes for one connection, whoever publishes to it is not read from until half of it has gone.
    public var highWaterBytes = 1 << 20
    /// Above so many unsent bytes a connection is cut off at once. A tick adds at most one read (256 KiB, 16 KiB while anybody is
    /// above the high-water mark) of each publisher to what was there.
    public var maximumConnectionBytes = 32 << 20
    /// Unsent bytes of all connections together; beyond it, whoever has more than 64 KiB waiting is cut off when more comes.
    public var maximumBufferedBytes = 512 << 20
    /// A connection that stays above its high-water mark for longer is cut off.
    public var stallLimitMilliseconds = 10_000

    /// Disk budget of the stream `messages`.
    public var messagesMaximumBytes: UInt64 = 8 << 30
    /// Disk budget of the stream `events`.
    public var eventsMaximumBytes: UInt64 = 256 << 20
    /// Disk budget of the stream `refusals`.
    public var refusalsMaximumBytes: UInt64 = 64 << 20
    /// Disk budget of the stream `dead-letters`.
    public var deadLettersMaximumBytes: UInt64 = 1 << 30
    /// Segment size of the streams that the daemon declares; lowered where the budget would not hold four segments.
    public var segmentBytes: UInt64 = 64 << 20
    /// Messages of each stream kept in memory for consumers that keep up.
    public var tailCacheBytes = 16 << 20

    public init(socketPath: String, dataDirectory: String) {
        self.socketPath = socketPath
        self.dataDirectory = dataDirectory
    }

    /// What is wrong with it, a sentence each that names the key; empty: nothing.
    public func problems() -> [String] {
        var problems: [String] = []
        // sun_path holds 108 bytes with its terminating zero (unix(7)).
        if socketPath.isEmpty || socketPath.utf8.count > 107 {
            problems.append("socket: '\(socketPath)' must be 1 to 107 bytes long")
        }
        if dataDirectory.isEmpty { problems.append("data directory: must be given") }
        if maximumConnections < 1 || maximumConnections > 65_000 {
            problems.append("maximum connections: \(maximumConnections) is not within 1 to 65,000")
        }
        if highWaterBytes < 64 << 10 {
            problems.append("high water bytes: \(highWaterBytes) is below 65,536")
        }
        if maximumConnectionBytes < highWaterBytes + 2 * Limits.messageBytes {
            problems.append(
                "maximum connection bytes: must exceed high water bytes by two messages of the largest size")
        }
        if maximumBufferedBytes < maximumConnectionBytes {
            problems.append("maximum buffered bytes: must not be below maximum connection bytes")
        }
        if stallLimitMilliseconds < 100 { problems.append("stall limit: \(stallLimitMilliseconds) ms is below 100") }
        for (name, bytes) in [
            ("messages", messagesMaximumBytes), ("events", eventsMaximumBytes),
            ("refusals", refusalsMaximumBytes), ("dead letters", deadLettersMaximumBytes),
        ] where bytes < 4 << 20 {
            problems.append("\(name) maximum bytes: \(bytes) is below 4 MiB")
        }
        if segmentBytes < 1 << 20 || segmentBytes > 1 << 30 {
            problems.append("segment bytes: \(segmentBytes) is not within 1 MiB to 1 GiB")
        }
        if tailCacheBytes < 4 << 20 { problems.append("tail cache bytes: \(tailCacheBytes) is below 4 MiB") }
        return problems
    }
}
