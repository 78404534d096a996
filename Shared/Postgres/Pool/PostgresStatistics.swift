// SPDX-License-Identifier: Apache-2.0

/// What a pool has done and how it stands, for metrics and health.
public struct PostgresStatistics: Sendable, Equatable {
    /// Gauge: connections that are up, idle or lent.
    public var connections = 0
    /// Gauge: connections that nobody uses now.
    public var idle = 0
    /// Gauge: callers that wait for a connection.
    public var waiting = 0
    /// Counter: connections lent.
    public var acquired: UInt64 = 0
    /// Counter: callers refused because too many waited.
    public var refused: UInt64 = 0
    /// Counter: callers that waited in vain.
    public var timedOut: UInt64 = 0
    /// Counter: broken connections that had to be made anew.
    public var reconnects: UInt64 = 0
    /// Counter: attempts to connect, and health checks, that failed.
    public var failures: UInt64 = 0
    /// Whether the last thing heard of the server was good; false until the first connection.
    public var isHealthy = false
    /// The last failure's description; kept for the log after the server is back.
    public var lastFailure: String?

    public init() {}
}
