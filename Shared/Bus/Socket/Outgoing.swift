// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// What publishers on any thread and the event loop share, under one lock: the bytes to be sent and who waits for an answer to them.
///
/// One lock, because a frame and the place of its answer must be entered together. It is held for an encoding, never across a callback
/// (but for the closures that write into the buffer), a system call or an await.
struct Outgoing {
    enum Phase {
        /// No connection: everything is refused with ``BusError/disconnected``.
        case disconnected
        case connected
        /// ``Bus/close()`` was called: everything is refused with ``BusError/closed``.
        case closed
    }

    /// What happened to a frame.
    enum Admission {
        case sent(needsWake: Bool)
        /// Beyond the limit: nothing was done.
        case full
    }

    var phase = Phase.disconnected
    /// Whole frames, behind those in `parts`.
    var buffer = ByteBuffer()
    /// Many frames each, which stay where they were written.
    private(set) var parts: [ByteBuffer] = []
    private var partBytes = 0
    /// Memory of what has gone out, to be written into again.
    private var spares: [ByteBuffer] = []
    /// Handed to the channel, not yet taken by the kernel.
    var bytesInChannel = 0
    /// The event loop has been told that there is something to send.
    var isWakeScheduled = false
    var maximumPayloadBytes = Limits.messageBytes
    /// `inbox.<connection>.`
    var inboxPrefix: [UInt8] = []
    var durable = DurableWindow()
    var requests = RequestTable()
    /// Coalesced until the next flush; a connection has few consumers.
    var acknowledgedThrough: [(consumer: Receiver, sequence: UInt64)] = []
    /// Publishers that wait for space.
    var spaceWaiters: [CheckedContinuation<Void, Never>] = []

    /// Counters for ``SocketBusStatistics``.
    var overloaded: UInt64 = 0
    var connections: UInt64 = 0
    var subscriptionsCutOff: UInt64 = 0

    var queuedBytes: Int { unsentBytes + bytesInChannel }
    /// Not handed to the channel.
    var unsentBytes: Int { partBytes + buffer.readableBytes }

    /// Whether those who wait may go on: at half of the high-water mark, so that they do not come back one by one.
    func hasSpace(_ configuration: SocketBusConfiguration) -> Bool {
        phase != .connected
            || (queuedBytes <= configuration.outboundHighWaterBytes / 2
                && durable.count < configuration.maximumDurableInFlight)
    }

    func ensureConnected() throws(BusError) {
        switch phase {
        case .connected: return
        case .disconnected: throw .disconnected
        case .closed: throw .closed
        }
    }

    /// True for the first who has something to send since the last flush.
    mutating func wake() -> Bool {
        defer { isWakeScheduled = true }
        return !isWakeScheduled
    }

    /// Queues frames, and leaves memory for the next ones in their place. Few are copied, many stay where they are.
    mutating func append(_ frames: inout ByteBuffer) {
        guard buffer.readableBytes > 0 else { return swap(&buffer, &frames) }
        guard frames.readableBytes >= Self.smallestPart else {
            buffer.writeImmutableBuffer(frames)
            return frames.clear()
        }
        partBytes += buffer.readableBytes
        parts.append(buffer)
        buffer = frames
        frames = spares.popLast() ?? ByteBufferAllocator().buffer(capacity: buffer.readableBytes)
    }

    private static let smallestPart = 16 << 10

    /// Takes everything that is queued, in order; the channel has it from now on.
    mutating func takeQueued() -> [ByteBuffer] {
        bytesInChannel = unsentBytes
        var queued = parts
        if buffer.readableBytes > 0 {
            queued.append(buffer)
            buffer = spares.popLast() ?? ByteBuffer()
        }
        parts.removeAll(keepingCapacity: true)
        partBytes = 0
        return queued
    }

    /// Keeps empty buffers to be written into.
    mutating func keep(_ buffers: [ByteBuffer]) {
        spares.append(contentsOf: buffers.prefix(max(0, Self.maximumSpares - spares.count)))
    }

    static let maximumSpares = 8
    static let largestSpare = 512 << 10

    /// Drops what is queued.
    mutating func removeQueued() {
        buffer = ByteBuffer()
        parts = []
        partBytes = 0
        bytesInChannel = 0
    }

    mutating func takeSpaceWaiters() -> [CheckedContinuation<Void, Never>] {
        defer { spaceWaiters.removeAll() }
        return spaceWaiters
    }
}

/// What a ``SocketBus`` has queued and how often its limits were met, for metrics.
public struct SocketBusStatistics: Sendable, Equatable {
    public var isConnected: Bool
    /// Outbound, not yet taken by the kernel.
    public var queuedBytes: Int
    public var durableInFlight: Int
    public var requestsInFlight: Int
    /// Refused with ``BusError/overloaded``.
    public var overloaded: UInt64
    /// Connections made since the start.
    public var connections: UInt64
    /// Subscriptions ended with ``BusError/slowConsumer``.
    public var subscriptionsCutOff: UInt64
}
