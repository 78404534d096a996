// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// What waits to be sent on one live connection: frames that many connections share, by reference.
///
/// The channel gets no more than its high-water mark; the rest waits here, counted. Policy: ``offer(_:)`` refuses what passes the connection's limit, or the
/// event loop's while this connection is one of those that have much waiting, and the caller cuts the connection off.
final class LiveOutlet {
    /// What a waiting frame costs beside its bytes.
    private static let frameOverhead = 64
    /// With the event loop's limit reached, a connection may still have so much waiting.
    private static let fairShareBytes = 16 << 10

    private let loop: LiveLoop
    private var frames = CircularBuffer<ByteBuffer>()
    private(set) var queuedBytes = 0
    private var needsFlush = false
    private var isDirty = false
    /// nil before the connection streams, and when it has ended.
    var context: ChannelHandlerContext?
    /// Called when everything has been handed to the channel.
    var onDrained: (() -> Void)?

    init(loop: LiveLoop) { self.loop = loop }

    /// Whether one who catches up may be given more.
    var isReadyForMore: Bool { queuedBytes < loop.limits.queueBytes / 2 }

    /// Sends a message's frame when the loop is done with the batch.
    /// - Returns: false when too much is waiting already; it is not sent then.
    func offer(_ frame: ByteBuffer) -> Bool {
        let cost = frame.readableBytes + Self.frameOverhead
        if !frames.isEmpty || context?.channel.isWritable == false {
            guard queuedBytes + cost <= loop.limits.queueBytes else { return false }
            guard loop.queuedBytes + cost <= loop.maximumQueuedBytes || queuedBytes + cost <= Self.fairShareBytes
            else { return false }
        }
        append(frame, cost)
        return true
    }

    /// Sends what the protocol itself has to say, whatever is waiting: small and few.
    func send(_ frame: ByteBuffer) {
        append(frame, frame.readableBytes + Self.frameOverhead)
    }

    private func append(_ frame: ByteBuffer, _ cost: Int) {
        if frames.isEmpty, let context, context.channel.isWritable {
            context.write(NIOAny(frame), promise: nil)
            needsFlush = true
        } else {
            frames.append(frame)
            queuedBytes += cost
            loop.queuedBytes += cost
        }
        if !isDirty {
            isDirty = true
            loop.markDirty(self)
        }
    }

    /// Hands the channel what it takes.
    func flush() {
        isDirty = false
        guard let context else { return }
        while context.channel.isWritable, let frame = frames.popFirst() {
            let cost = frame.readableBytes + Self.frameOverhead
            queuedBytes -= cost
            loop.queuedBytes -= cost
            context.write(NIOAny(frame), promise: nil)
            needsFlush = true
        }
        if needsFlush {
            needsFlush = false
            context.flush()
        }
        if frames.isEmpty { onDrained?() }
    }

    /// Forgets what waits here.
    func dropQueued() {
        frames.removeAll()
        loop.queuedBytes -= queuedBytes
        queuedBytes = 0
    }

    func close() {
        dropQueued()
        context = nil
        onDrained = nil
    }
}
