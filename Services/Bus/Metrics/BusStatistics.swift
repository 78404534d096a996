// SPDX-License-Identifier: Apache-2.0

/// What the loop has counted since the start. The loop owns one and hands out copies.
struct BusStatistics: Codable, Sendable, Equatable {
    var connections = 0
    var connectionsAccepted: UInt64 = 0
    var connectionsRefused: UInt64 = 0
    var subscriptions = 0
    var messagesReceived: UInt64 = 0
    var bytesReceived: UInt64 = 0
    var messagesDelivered: UInt64 = 0
    var bytesSent: UInt64 = 0
    var messagesWithoutReceiver: UInt64 = 0
    var durablePublishes: UInt64 = 0
    /// Publishes without acknowledgement that a stream did not take.
    var unacknowledgedRefused: UInt64 = 0
    var noResponders: UInt64 = 0
    /// Bytes that wait to be written, now.
    var bufferedBytes = 0
    /// Connections above their high-water mark, now.
    var congestedConnections = 0
    /// How often a publisher was paused.
    var publisherStalls: UInt64 = 0
    var routeMisses: UInt64 = 0
    /// By reason (`permission_denied`, `invalid_subject`, …).
    var refusals: [String: UInt64] = [:]
    /// Connections closed by the daemon, by reason (`slow_consumer`, `protocol_violation`, …).
    var cutOff: [String: UInt64] = [:]
    var streams: [StreamStatistics] = []

    mutating func refuse(_ reason: String) { refusals[reason, default: 0] += 1 }
}

struct StreamStatistics: Codable, Sendable, Equatable {
    var name: String
    var firstSequence: UInt64
    var lastSequence: UInt64
    var bytes: UInt64
    var budgetBytes: UInt64
    var corrupt: UInt64
    var syncs: UInt64
    var refused: UInt64
    var isAccepting: Bool
    var reason: String?
    var consumers: [ConsumerStatistics]
}

struct ConsumerStatistics: Codable, Sendable, Equatable {
    var name: String
    var acknowledgedThrough: UInt64
    var unacknowledged: Int
    var pending: UInt64
    var redelivered: UInt64
    var deadLettered: UInt64
    var hasReader: Bool
}
