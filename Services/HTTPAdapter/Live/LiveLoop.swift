// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import NIOCore
import Observability

/// The listeners of one event loop, and what the ``LiveFeed`` hands them. Used on that loop only.
final class LiveLoop {
    let eventLoop: any EventLoop
    let limits: LiveLimits
    /// This loop's share of ``LiveLimits/totalQueuedBytes``.
    let maximumQueuedBytes: Int
    var metrics: LiveMetrics
    private let index: Int
    private let feed: LiveFeed
    /// The feed's tail, as far as this loop has been told: its run, where that began, and how far it has come.
    private var tail: (run: UInt64, start: UInt64, position: UInt64) = (0, 0, 0)
    private var waiting: [ObjectIdentifier: LiveListener] = [:]
    private var behind: [ObjectIdentifier: LiveListener] = [:]
    private var live: [ChannelID: [ObjectIdentifier: LiveListener]] = [:]
    private var dirty: [LiveOutlet] = []
    private var isFlushScheduled = false
    /// Bytes that wait in the outlets.
    var queuedBytes = 0
    /// Of ``queuedBytes``, what the gauge has been told.
    private var queuedBytesReported = 0
    /// The least position of those who are behind and can take more, as the feed has been told.
    private var reportedBehind: UInt64?

    init(
        eventLoop: any EventLoop, index: Int, share: Int, limits: LiveLimits, feed: LiveFeed, metrics: LiveMetrics
    ) {
        self.eventLoop = eventLoop
        self.index = index
        self.limits = limits
        self.feed = feed
        self.metrics = metrics
        maximumQueuedBytes = max(limits.queueBytes, limits.totalQueuedBytes / max(1, share))
    }

    /// The number of the last message that live listeners have had or passed over.
    var position: UInt64 { tail.position }

    // MARK: Joining and leaving

    /// Settles a listener's position, and calls its `onJoined` then, maybe at once.
    func join(_ listener: LiveListener) {
        let ticket = feed.enter(listener.channel)
        listener.leastLivePosition = ticket.position
        listener.phase = .waiting(ticket.run)
        if tail.run >= ticket.run { return settle(listener) }
        let key = ObjectIdentifier(listener)
        waiting[key] = listener
        let bound = NIOLoopBound((self, listener), eventLoop: eventLoop)
        eventLoop.scheduleTask(in: limits.joinTimeout) {
            let (loop, listener) = bound.value
            guard loop.waiting[ObjectIdentifier(listener)] === listener else { return }
            loop.refuse(listener, .disconnected)
        }
    }

    private func settle(_ listener: LiveListener) {
        listener.phase = .joined
        listener.run = tail.run
        listener.position = listener.resumesAfter ?? max(listener.leastLivePosition, tail.position)
        let onJoined = listener.onJoined
        listener.onJoined = nil
        onJoined?(.success(()))
    }

    private func refuse(_ listener: LiveListener, _ error: BusError) {
        let onJoined = listener.onJoined
        listener.onJoined = nil
        leave(listener)
        onJoined?(.failure(.liveUnavailable(error)))
    }

    /// The connection streams from now on.
    func start(_ listener: LiveListener, _ stream: any LiveStream) {
        guard listener.phase == .joined else { return }
        listener.stream = stream
        if listener.run != tail.run { beginAnew(listener) }
        // A number that a client names is looked up in the stream before it is believed.
        if listener.resumesAfter == nil, goLive(listener) { return }
        fallBehind(listener)
    }

    private func fallBehind(_ listener: LiveListener) {
        listener.phase = .behind
        behind[ObjectIdentifier(listener)] = listener
        metrics.behind.increment()
        listener.stream?.outlet.onDrained = { [weak self, weak listener] in
            if let self, let listener, listener.phase == .behind { self.note(behind: listener.position) }
        }
        note(behind: listener.position)
    }

    /// - Returns: false when there are older messages that it has not had.
    private func goLive(_ listener: LiveListener) -> Bool {
        guard listener.position >= tail.position, listener.position >= listener.leastLivePosition else { return false }
        listener.phase = .live
        live[listener.channel, default: [:]][ObjectIdentifier(listener)] = listener
        return true
    }

    func leave(_ listener: LiveListener) {
        let key = ObjectIdentifier(listener)
        switch listener.phase {
        case .left: return
        case .waiting: waiting[key] = nil
        case .joined: break
        case .behind:
            behind[key] = nil
            metrics.behind.decrement()
        case .live:
            live[listener.channel]?[key] = nil
            if live[listener.channel]?.isEmpty == true { live[listener.channel] = nil }
        }
        listener.phase = .left
        listener.stream = nil
        feed.leave(listener.channel)
    }

    // MARK: Called by the feed

    func began(run: UInt64, position: UInt64) {
        tail = (run, position, position)
        settleWaiting()
    }

    private func settleWaiting() {
        for (key, listener) in waiting {
            guard case .waiting(let expected) = listener.phase, expected <= tail.run else { continue }
            waiting[key] = nil
            settle(listener)
        }
    }

    /// Numbers that were given are given again; what was read in the run before is void.
    func beganAnew(run: UInt64, position: UInt64) {
        tail = (run, position, position)
        for listeners in live.values {
            for listener in listeners.values { beginAnew(listener) }
        }
        for listener in behind.values { beginAnew(listener) }
        settleWaiting()
        flushDirty()
        reportBehind()
    }

    private func beginAnew(_ listener: LiveListener) {
        listener.run = tail.run
        listener.leastLivePosition = 0
        tell(listener, LiveGap(after: listener.position, next: tail.start &+ 1))
    }

    func cannotBegin(_ error: BusError) {
        for listener in Array(waiting.values) { refuse(listener, error) }
    }

    /// What is new.
    func deliver(_ batch: LiveBatch) {
        tail.position = batch.through
        if let gap = batch.gap { tellAll(gap) }
        for message in batch.messages {
            guard let listeners = live[message.view.channel] else { continue }
            var frames = LiveFrames(message)
            for listener in listeners.values { deliver(message, &frames, to: listener) }
        }
        flushDirty()
    }

    private func deliver(_ message: LiveMessage, _ frames: inout LiveFrames, to listener: LiveListener) {
        guard listener.phase == .live, message.sequence > listener.position else { return }
        listener.position = message.sequence
        guard message.view.withSubtopic(listener.filter.matches), let stream = listener.stream else { return }
        let frame = frames.frame(listener.format)
        guard stream.outlet.offer(frame) else {
            metrics.slowConsumers.increment()
            return stream.end(.slowConsumer)
        }
        metrics.delivered.increment()
        metrics.deliveredBytes.increment(by: UInt64(frame.readableBytes))
    }

    private func tellAll(_ gap: LiveGap) {
        for listeners in live.values {
            for listener in listeners.values { tell(listener, gap) }
        }
    }

    private func tell(_ listener: LiveListener, _ gap: LiveGap) {
        metrics.gaps.increment()
        // Numbers that begin anew may be smaller than those that were had.
        listener.position = gap.next &- 1
        if let frame = LiveFrames.gap(gap, listener.format) { listener.stream?.outlet.send(frame) }
    }

    // MARK: Catching up

    /// Older messages, for those who have had everything up to `least` or more.
    func catchUp(_ batch: LiveBatch, from least: UInt64, run: UInt64) {
        guard run == tail.run else { return }
        // Not those who are further behind and have become ready meanwhile: what lies between would be passed over.
        let ready = behind.values.filter { listener in
            listener.position >= least && listener.position < batch.through
                && listener.stream?.outlet.isReadyForMore == true
        }
        if let gap = batch.gap {
            for listener in ready where listener.position + 1 < gap.next {
                tell(listener, LiveGap(after: listener.position, next: gap.next))
            }
        }
        var unfinished = ready
        for message in batch.messages {
            var frames = LiveFrames(message)
            unfinished = unfinished.filter { give(message, &frames, to: $0) }
        }
        for listener in unfinished where listener.phase == .behind {
            listener.position = max(listener.position, batch.through)
            liven(listener)
        }
        flushDirty()
        reportBehind()
    }

    /// - Returns: false when it cannot take more now.
    private func give(_ message: LiveMessage, _ frames: inout LiveFrames, to listener: LiveListener) -> Bool {
        guard listener.phase == .behind, let stream = listener.stream else { return false }
        guard message.view.channel == listener.channel, message.sequence > listener.position,
            message.view.withSubtopic(listener.filter.matches)
        else { return true }
        guard stream.outlet.isReadyForMore else { return false }
        let frame = frames.frame(listener.format)
        stream.outlet.send(frame)
        listener.position = message.sequence
        metrics.delivered.increment()
        metrics.deliveredBytes.increment(by: UInt64(frame.readableBytes))
        return true
    }

    /// There is nothing behind `least`; the stream ends at `end`.
    func caughtUp(from least: UInt64, end: UInt64, run: UInt64) {
        guard run == tail.run else { return }
        for listener in Array(behind.values) where listener.position >= least {
            // Those who are further on are looked at when their turn comes.
            guard listener.position == least || listener.position > end else { continue }
            if listener.position != end { tell(listener, LiveGap(after: listener.position, next: end &+ 1)) }
            liven(listener)
        }
        flushDirty()
        reportBehind()
    }

    private func liven(_ listener: LiveListener) {
        guard goLive(listener) else { return }
        behind[ObjectIdentifier(listener)] = nil
        metrics.behind.decrement()
        listener.stream?.outlet.onDrained = nil
    }

    private func reportBehind() {
        let ready = behind.values.filter { $0.stream?.outlet.isReadyForMore == true }
        reportedBehind = ready.map(\.position).min()
        feed.setBehind(index, reportedBehind)
    }

    /// As ``reportBehind()``, for one more.
    private func note(behind position: UInt64) {
        if let reportedBehind, reportedBehind <= position { return }
        reportedBehind = position
        feed.setBehind(index, position)
    }

    // MARK: Writing

    /// Its frames go out when the present batch is through, or at the end of this round of the event loop.
    func markDirty(_ outlet: LiveOutlet) {
        dirty.append(outlet)
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            bound.value.isFlushScheduled = false
            bound.value.flushDirty()
        }
    }

    /// The gauge is one for all event loops: told of the difference, and not for every frame.
    func reportQueued() {
        metrics.queuedBytes.increment(by: Double(queuedBytes - queuedBytesReported))
        queuedBytesReported = queuedBytes
    }

    private func flushDirty() {
        let outlets = dirty
        dirty.removeAll(keepingCapacity: outlets.count <= 4_096)
        for outlet in outlets { outlet.flush() }
    }
}

extension ServiceError {
    /// Nobody can listen while the stream cannot be read.
    static func liveUnavailable(_ error: BusError) -> ServiceError {
        ServiceError(
            .unavailable, reason: "live-unavailable",
            "Messages cannot be followed at the moment; try again.", detail: "\(error)", retryAfterSeconds: 1)
    }
}
