// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// What live connections may cost.
struct LiveLimits: Sendable {
    /// Bytes that wait for one connection that does not read as fast as messages come; beyond, it is cut off (`slow-consumer`).
    var queueBytes = 1 << 20
    /// Of all connections of the process together. A frame that many wait for counts for each: the true number is smaller.
    var totalQueuedBytes = 256 << 20
    /// Without anything to send, a comment (SSE) or a ping (WebSocket) goes out.
    var keepAliveInterval: TimeAmount = .seconds(20)
    /// From a ping to anything from the client.
    var pongTimeout: TimeAmount = .seconds(20)
    /// For the rest of a message that has begun to arrive.
    var messageTimeout: TimeAmount = .seconds(60)
    /// From our close frame, or the last event, to the end of the connection.
    var closeTimeout: TimeAmount = .seconds(5)
    /// How long an opening may wait for the bus.
    var joinTimeout: TimeAmount = .seconds(5)
    /// Messages of one connection on their way to the bus; at the limit it is not read.
    var maximumPublishesInFlight = 64
}
