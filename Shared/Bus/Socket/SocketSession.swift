// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// The life of a ``SocketBus``: one connection after another, and what outlives them.
///
/// `@unchecked`: everything but the constants and `outgoing` belongs to the event loop.
///
/// A connection is `waiting` (for the next attempt) → `connecting` → `handshaking` (hello sent) → `connected` (welcome received) and from each
/// back to `waiting`; `closed` is final. `isEstablished` follows `connected` once all that was subscribed before is in force again.
final class SocketSession: @unchecked Sendable {
    enum Phase {
        case waiting, connecting, handshaking, connected, closed
    }

    /// Who gets the answer to a control frame.
    enum Pending {
        case command(@Sendable (Result<ByteBuffer, BusError>) -> Void)
        case receiver(Receiver)
    }

    let configuration: SocketBusConfiguration
    let eventLoop: any EventLoop
    let logger: Logger
    let outgoing = Mutex(Outgoing())

    var phase = Phase.waiting
    var isEstablished = false
    var channel: (any Channel)?
    var splitter: FrameSplitter
    /// A write is in the channel; further bytes gather meanwhile and go out as one.
    var isWriting = false
    /// What is being written, or was last.
    private var inChannel: [ByteBuffer] = []
    var inboxPrefix: [UInt8] = []
    var maximumPayloadBytes = Limits.messageBytes
    var bus = (instance: "", connection: "")

    var lastToken: UInt32 = 0
    var pending: [UInt32: Pending] = [:]
    var receivers: [UInt32: Receiver] = [:]
    var routes = RouteTable()
    /// Found last by token: deliveries come in runs.
    var lastRoute: (token: UInt32, route: Route)?
    var dirty: [Receiver] = []
    /// Subscribed before this connection, not yet in force again.
    var resuming: Set<UInt32> = []
    var completions: [DurableWindow.Completion?] = []

    var backOff: BackOff
    /// Why the connection is about to end, where it is known before it ends.
    var closeReason: String?
    /// That there is no connection has been logged.
    var hasWarned = false
    var livenessTask: RepeatedTask?
    var requestTimer: (deadline: NIODeadline, task: Scheduled<Void>)?
    var ticks = Ticks()

    var observers: [Int: AsyncStream<BusConnectionEvent>.Continuation] = [:]
    var connectionWaiters: [Int: CheckedContinuation<Result<Void, BusError>, Never>] = [:]
    var lastObserver = 0
    var closeWaiters: [CheckedContinuation<Void, Never>] = []

    /// Liveness is counted in ticks of a timer, not in time: a process that was stopped itself does not take its peer for dead.
    struct Ticks {
        var sinceRead = 0
        var sinceConnect = 0
        var hasRead = false
    }

    init(configuration: SocketBusConfiguration, eventLoop: any EventLoop, logger: Logger) {
        self.configuration = configuration
        self.eventLoop = eventLoop
        var logger = logger
        logger[metadataKey: "bus"] = "\(configuration.path)"
        self.logger = logger
        backOff = configuration.backOff
        splitter = FrameSplitter(maximumFrameBytes: configuration.maximumFrameBytes)
    }

    /// A token that nothing on this connection has.
    func makeToken() -> UInt32 {
        repeat { lastToken &+= 1 } while lastToken == 0 || receivers[lastToken] != nil || pending[lastToken] != nil
        return lastToken
    }

    // MARK: - Sending

    /// Has the event loop send what is queued at the end of its present round; from any thread.
    func wake() {
        eventLoop.execute { self.flush() }
    }

    /// Sends a control frame. For the event loop; control frames are few and bounded by what is subscribed.
    func sendControl(
        _ opcode: Wire.Opcode, token: UInt32 = 0, extra: UInt16 = 0, body: (inout ByteBuffer) -> Void = { _ in }
    ) {
        let needsWake = outgoing.withLock { outgoing in
            FrameEncoding.appendControl(to: &outgoing.buffer, opcode, token: token, extra: extra, body: body)
            return outgoing.wake()
        }
        if needsWake { wake() }
    }

    /// Hands what has gathered to the channel, unless a write is still under way: its end flushes again.
    func flush() {
        scheduleRequestTimer()
        guard let channel, !isWriting else { return }
        reclaim()
        inChannel = outgoing.withLock { outgoing in
            for (consumer, sequence) in outgoing.acknowledgedThrough {
                Self.appendAcknowledgement(.through, of: consumer, sequence, to: &outgoing.buffer)
            }
            outgoing.acknowledgedThrough.removeAll(keepingCapacity: true)
            outgoing.isWakeScheduled = false
            return outgoing.takeQueued()
        }
        guard !inChannel.isEmpty else { return }
        isWriting = true
        write(to: channel)
        // It went out at once.
        if !isWriting { reclaim() }
    }

    private func write(to channel: any Channel) {
        let last = inChannel.count - 1
        for index in 0..<last { channel.write(inChannel[index], promise: nil) }
        channel.writeAndFlush(inChannel[last]).whenComplete { [weak channel] _ in
            // A failed write closes the channel, which says why.
            if let channel, channel === self.channel { self.written() }
        }
    }

    /// What was written is held by nobody else any more: its memory serves again.
    private func reclaim() {
        guard !inChannel.isEmpty else { return }
        var spares: [ByteBuffer] = []
        // A burst's memory is not kept for the quiet time behind it.
        while spares.count < Outgoing.maximumSpares, var spare = inChannel.popLast() {
            guard spare.capacity <= Outgoing.largestSpare else { continue }
            spare.clear()
            spares.append(spare)
        }
        inChannel.removeAll(keepingCapacity: true)
        outgoing.withLock { [spares] in $0.keep(spares) }
    }

    private func written() {
        isWriting = false
        let (waiters, hasMore) = outgoing.withLock { outgoing in
            outgoing.bytesInChannel = 0
            let hasMore = outgoing.unsentBytes > 0 || !outgoing.acknowledgedThrough.isEmpty
            if hasMore { outgoing.isWakeScheduled = true }
            return (outgoing.hasSpace(configuration) ? outgoing.takeSpaceWaiters() : [], hasMore)
        }
        for waiter in waiters { waiter.resume() }
        // Not at once: a write that goes out synchronously would call this again, ever deeper.
        if hasMore { wake() }
        closeIfDrained()
    }

    static func appendAcknowledgement(
        _ kind: Wire.Acknowledgement, of consumer: Receiver, _ sequence: UInt64, to buffer: inout ByteBuffer,
        extra: (inout ByteBuffer) -> Void = { _ in }
    ) {
        let token = consumer.token.load(ordering: .relaxed)
        FrameEncoding.appendControl(to: &buffer, .acknowledge, token: token, extra: kind.rawValue) { buffer in
            buffer.writeInteger(sequence, endianness: .little)
            extra(&buffer)
        }
    }

    // MARK: - Time-outs of requests

    private func scheduleRequestTimer() {
        guard let earliest = outgoing.withLock({ $0.requests.earliestDeadline }) else { return }
        if let requestTimer, requestTimer.deadline <= earliest { return }
        requestTimer?.task.cancel()
        let task = eventLoop.scheduleTask(deadline: earliest) { self.expireRequests() }
        requestTimer = (earliest, task)
    }

    private func expireRequests() {
        requestTimer = nil
        let now = NIODeadline.now()
        let expired = outgoing.withLock { $0.requests.takeExpired(now) }
        for completion in expired { completion.resume(returning: .failure(.timeout)) }
        scheduleRequestTimer()
    }
}
