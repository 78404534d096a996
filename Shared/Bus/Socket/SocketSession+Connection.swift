// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import NIOCore
import NIOPosix
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Connecting, for ever; being welcome; finding a dead peer; closing.
extension SocketSession {
    func start() {
        eventLoop.execute { self.connect() }
    }

    private func connect() {
        guard phase == .waiting else { return }
        phase = .connecting
        ClientBootstrap(group: eventLoop)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 4 << 10, initial: 64 << 10, maximum: 256 << 10)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FrameHandler(session: self))
                }
            }
            .connect(unixDomainSocketPath: configuration.path)
            .whenFailure { error in
                self.eventLoop.execute { self.lost("cannot connect: \(error)") }
            }
    }

    /// The socket is connected: say who we are.
    func opened(_ channel: any Channel) {
        guard phase == .connecting else {
            channel.close(promise: nil)
            return
        }
        phase = .handshaking
        self.channel = channel
        isWriting = false
        splitter = FrameSplitter(maximumFrameBytes: configuration.maximumFrameBytes)
        closeReason = nil
        ticks = Ticks()
        startLiveness()
        let hello = Wire.Hello(version: Wire.version, name: configuration.name)
        sendJSON(.hello, token: 0, hello)
        flush()
    }

    /// Sends a control frame with a JSON body.
    func sendJSON(_ opcode: Wire.Opcode, token: UInt32, extra: UInt16 = 0, _ value: some Encodable) {
        do {
            let body = try JSONEncoder().encode(value)
            sendControl(opcode, token: token, extra: extra) { $0.writeBytes(body) }
        } catch {
            fail("cannot encode a frame: \(error)")
        }
    }

    func welcomed(_ body: UnsafeRawBufferPointer) throws(BusError) {
        guard phase == .handshaking else { throw .protocolViolation("a second welcome") }
        let welcome: Wire.Welcome
        do {
            welcome = try JSONDecoder().decode(Wire.Welcome.self, from: Data(body))
        } catch {
            throw .protocolViolation("a welcome that cannot be read: \(error)")
        }
        guard welcome.version == Wire.version else { throw .protocolViolation("version \(welcome.version)") }
        guard welcome.maximumPayloadBytes > 0, welcome.maximumPayloadBytes <= configuration.maximumFrameBytes else {
            throw .protocolViolation("a payload limit of \(welcome.maximumPayloadBytes) bytes")
        }
        phase = .connected
        maximumPayloadBytes = welcome.maximumPayloadBytes
        inboxPrefix = Array("inbox.\(welcome.connection).".utf8)
        bus = (welcome.instance, welcome.connection)
        // Everything that was subscribed goes first, so that whatever is published or asked from now on comes behind it.
        let earlier = receivers
        receivers.removeAll()
        lastRoute = nil
        for receiver in earlier.sorted(by: { $0.key < $1.key }) { request(receiver.value) }
        resuming = Set(receivers.keys)
        outgoing.withLock { outgoing in
            guard outgoing.phase == .disconnected else { return }
            outgoing.phase = .connected
            outgoing.maximumPayloadBytes = maximumPayloadBytes
            outgoing.inboxPrefix = inboxPrefix
            outgoing.connections &+= 1
        }
        establishIfResumed()
    }

    /// Says that the connection is there, once everything is in force again.
    func establishIfResumed() {
        guard phase == .connected, !isEstablished, resuming.isEmpty else { return }
        isEstablished = true
        hasWarned = false
        logger.info(
            "connected to the bus", metadata: ["connection": "\(bus.connection)", "instance": "\(bus.instance)"])
        for waiter in connectionWaiters.values { waiter.resume(returning: .success(())) }
        connectionWaiters.removeAll()
        for observer in observers.values { observer.yield(.connected) }
    }

    /// Gives the connection up; ``lost(_:)`` follows when the channel has closed.
    func fail(_ reason: String) {
        if closeReason == nil { closeReason = reason }
        channel?.close(promise: nil)
    }

    /// The connection, or the attempt at one, is over.
    func lost(_ reason: String) {
        guard phase != .waiting, phase != .closed else { return }
        let reason = closeReason ?? reason
        closeReason = nil
        let wasEstablished = isEstablished
        phase = .waiting
        isEstablished = false
        channel = nil
        isWriting = false
        livenessTask?.cancel()
        livenessTask = nil
        failInFlight(.disconnected)
        forgetAnswers()
        if wasEstablished {
            logger.warning("the connection to the bus was lost", metadata: ["reason": "\(reason)"])
            for observer in observers.values { observer.yield(.disconnected(reason: reason)) }
        } else {
            // Said aloud once: the attempts go on for ever.
            logger.log(
                level: hasWarned ? .debug : .warning, "no connection to the bus yet", metadata: ["reason": "\(reason)"])
            hasWarned = true
        }
        if !closeWaiters.isEmpty { return finishClose() }
        eventLoop.scheduleTask(in: TimeAmount(backOff.next())) { self.connect() }
    }

    /// Fails everything that waits for an answer of a connection that is gone: whether it was carried out is unknown.
    private func failInFlight(_ error: BusError) {
        let (completions, requests, waiters) = outgoing.withLock { outgoing in
            if outgoing.phase == .connected { outgoing.phase = .disconnected }
            outgoing.removeQueued()
            outgoing.isWakeScheduled = false
            outgoing.acknowledgedThrough.removeAll()
            return (outgoing.durable.removeAll(), outgoing.requests.removeAll(), outgoing.takeSpaceWaiters())
        }
        requestTimer?.task.cancel()
        requestTimer = nil
        for completion in completions { completion(.failure(error)) }
        for request in requests { request.resume(returning: .failure(error)) }
        for waiter in waiters { waiter.resume() }
    }

    private func forgetAnswers() {
        let commands = pending.values
        pending.removeAll()
        resuming.removeAll()
        for command in commands {
            if case .command(let completion) = command { completion(.failure(.disconnected)) }
        }
        for receiver in dirty {
            receiver.staged = ByteBuffer()
            receiver.isDirty = false
        }
        dirty.removeAll()
        for receiver in receivers.values {
            // It is not acknowledged, so it comes again; kept, it would come twice, and a window's worth more at every reconnect.
            if case .consumer = receiver.kind { receiver.queue.clear() }
        }
    }

    // MARK: - Liveness

    private func startLiveness() {
        livenessTask?.cancel()
        let interval = TimeAmount(tick)
        livenessTask = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            self.checkLiveness()
        }
    }

    private var tick: Duration {
        max(
            .milliseconds(1),
            min(configuration.pingInterval, configuration.peerTimeout, configuration.handshakeTimeout) / 2)
    }

    private func checkLiveness() {
        ticks.sinceConnect += 1
        ticks.sinceRead = ticks.hasRead ? 0 : ticks.sinceRead + 1
        ticks.hasRead = false
        if phase == .handshaking, tick * ticks.sinceConnect >= configuration.handshakeTimeout {
            return fail("the bus did not answer the greeting")
        }
        guard phase == .connected else { return }
        // It has proved good: the next loss is followed by a quick attempt again.
        if ticks.sinceConnect == 2 { backOff.reset() }
        if tick * ticks.sinceRead >= configuration.peerTimeout { return fail("the bus is silent") }
        if tick * ticks.sinceRead >= configuration.pingInterval { sendControl(.ping) }
    }

    // MARK: - Closing

    func close(_ waiter: CheckedContinuation<Void, Never>) {
        if phase == .closed { return waiter.resume() }
        closeWaiters.append(waiter)
        guard closeWaiters.count == 1 else { return }
        // In handshakes `connected` has no meaning for publishers, so the phase tells whether anything can be on its way.
        let wasConnected = outgoing.withLock { outgoing in
            defer { outgoing.phase = .closed }
            return outgoing.phase == .connected
        }
        let waiters = outgoing.withLock { $0.takeSpaceWaiters() }
        for waiter in waiters { waiter.resume() }
        guard wasConnected else { return finishClose() }
        flush()
        closeIfDrained()
        if phase != .closed {
            eventLoop.scheduleTask(in: TimeAmount(configuration.closeTimeout)) { self.finishClose() }
        }
    }

    /// While closing: done once everything was sent and every durable publish answered.
    func closeIfDrained() {
        guard !closeWaiters.isEmpty, !isWriting else { return }
        let isDrained = outgoing.withLock {
            $0.queuedBytes == 0 && $0.acknowledgedThrough.isEmpty && $0.durable.count == 0
        }
        if isDrained { finishClose() }
    }

    func finishClose() {
        guard phase != .closed else { return }
        phase = .closed
        isEstablished = false
        livenessTask?.cancel()
        livenessTask = nil
        let channel = channel
        self.channel = nil
        outgoing.withLock { $0.phase = .closed }
        failInFlight(.closed)
        forgetAnswers()
        for receiver in receivers.values { end(receiver, nil) }
        receivers.removeAll()
        routes = RouteTable()
        lastRoute = nil
        channel?.close(promise: nil)
        for observer in observers.values { observer.finish() }
        observers.removeAll()
        for waiter in connectionWaiters.values { waiter.resume(returning: .failure(.closed)) }
        connectionWaiters.removeAll()
        for waiter in closeWaiters { waiter.resume() }
        closeWaiters.removeAll()
    }
}
