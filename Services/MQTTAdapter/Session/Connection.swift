// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import NIOCore
import Observability

/// One client's connection: finds packets in what arrives, in place, and gathers what goes out into one write for each round of the event loop.
///
///     connecting → (CONNECT) authenticating → connected → closed
///
/// Where a packet has to wait (for `things`, for the bus), reading stops and the packet is taken again when the wait is over: order needs no queue.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// From the question whose key it is to CONNACK, at least.
    private static let answerTimeout = TimeAmount.seconds(10)

    enum Phase { case connecting, authenticating, connected, closed }

    /// Whether a packet was taken, or is to be taken again later.
    enum Step { case taken, waits }

    /// What a packet needs to know of `things`.
    struct Question: Hashable {
        let channel: ChannelAddress
        let right: AccessRight
    }

    let broker: Broker
    let listener: Listener.Kind
    private(set) var phase = Phase.connecting
    var context: ChannelHandlerContext?
    var scanner: PacketScanner
    /// Bytes that arrived and were not taken: the beginning of a packet, or all of them while it waits.
    private var pending = ByteBuffer()
    private var isWaiting = false
    private var isTaking = false
    /// The client has closed its side: nothing more comes.
    private var isInputClosed = false
    /// What goes out with the next flush.
    private var out = ByteBuffer()
    private var isDirty = false
    private var pressure = Pressure()
    /// Since when the socket has taken nothing of what waits in the channel, and how much that is.
    private var stall: (since: NIODeadline, bytes: Int)?
    /// Reading stopped because the client does not take its answers.
    private var waitsForRoom = false
    /// From when on this client's CONNECT is waited for, or its answer.
    var openedAt = NIODeadline.now()
    /// Its CONNECT is complete and waits for its turn: that is not the client's slowness.
    var isQueued = false
    /// What a proxy in front of it says of the client's address; nil: there is none that is trusted.
    var forwardedAddress: String?
    /// Beyond the limit of connections: there to be told of another server.
    var isSurplus = false
    /// When CONNECT was accepted: nanoseconds since 1970.
    var connectedAt: Int64 = 0
    /// Of MQTT packets, without TLS and WebSocket.
    private(set) var receivedBytes = 0
    private(set) var sentBytes = 0
    var lastPacketAt = NIODeadline.now()
    var keepAlive = KeepAlive(requested: 0, version: .v311)
    var version = ProtocolVersion.v311
    var session: Session?
    var identity: ThingIdentity?
    /// Ends with the thing, its key or its certificate.
    var watch: LiveSession?
    /// When the client certificate does: nanoseconds since 1970; nil: there is none.
    var certificateExpiresAt: Int64?
    var maximumPacketSize = PacketScanner.largestPacket
    /// Whether reason strings and user properties may be sent in packets other than CONNACK, DISCONNECT and PUBLISH ([MQTT-3.1.2-29]).
    var explains = true
    var inboundAliases = InboundTopicAliases(maximum: 0)
    var outboundAliases = OutboundTopicAliases(maximum: 0)
    /// The topic of the last PUBLISH and what it meant.
    var lastTopic: PublishTopic?
    /// The same of its form for the bus.
    var lastForm: StreamForm?
    /// Answers of `things` that the packet which waits has got so far.
    var answers: [Question: Result<Grant, ServiceError>] = [:]
    /// MQTT 3.1.1: reading stopped because too many messages are on their way to the bus.
    var waitsForAnswers = false

    init(broker: Broker, listener: Listener.Kind) {
        self.broker = broker
        self.listener = listener
        scanner = PacketScanner(
            maximumPacketSize: min(broker.limits.connectPacketBytes, broker.limits.maximumPacketBytes))
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { opened() }
    }

    func channelActive(context: ChannelHandlerContext) {
        opened()
    }

    private func opened() {
        // One that came by WebSocket is known since before the upgrade, and may have been given up meanwhile.
        if phase != .closed, register() { return }
        context?.close(promise: nil)
    }

    /// Counts it among the broker's connections.
    /// - Returns: false when there are as many as there may be.
    func register() -> Bool {
        if broker.add(self) { return true }
        broker.metrics.refused("too-many-connections", on: listener)
        phase = .closed
        return false
    }

    func channelInactive(context: ChannelHandlerContext) {
        closed()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        closed()
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        broker.metrics.connectionErrors.increment()
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client that has closed its side will never acknowledge anything; what it sent before is taken all the same.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            isInputClosed = true
            if !isWaiting { context.close(promise: nil) }
            return
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return }
        stall = nil
        flush()
        session?.pump()
        releaseHeld()
    }

    // MARK: What arrives

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase != .closed else { return }
        var arrived = unwrapInboundIn(data)
        lastPacketAt = .now()
        receivedBytes += arrived.readableBytes
        if isWaiting {
            pending.writeImmutableBuffer(arrived)
            return
        }
        isTaking = true
        if pending.readableBytes > 0 { finishPending(with: &arrived) }
        if !isWaiting, phase != .closed, arrived.readableBytes > 0 {
            arrived.moveReaderIndex(forwardBy: takePackets(arrived))
        }
        if arrived.readableBytes > 0, phase != .closed { pending.writeImmutableBuffer(arrived) }
        isTaking = false
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        broker.flushSoon()
    }

    /// Completes the packet that began in an earlier read, with no more than it needs, so that what is behind it is taken where it lies.
    private func finishPending(with arrived: inout ByteBuffer) {
        while phase != .closed, !isWaiting, pending.readableBytes > 0 {
            do throws(Violation) {
                let scanner = scanner
                let result = pending.withUnsafeReadableBytes { bytes -> Result<PacketScanner.Result, Violation> in
                    do throws(Violation) {
                        return .success(try scanner.scan(bytes))
                    } catch {
                        return .failure(error)
                    }
                }
                switch try result.get() {
                case .incomplete(let missing):
                    guard let more = arrived.readSlice(length: min(missing, arrived.readableBytes)),
                        more.readableBytes > 0
                    else { return }
                    pending.writeImmutableBuffer(more)
                case .packet:
                    var buffer = pending
                    let taken = takePackets(buffer)
                    // It was emptied when the connection ended.
                    guard phase != .closed else { return }
                    buffer.moveReaderIndex(forwardBy: taken)
                    pending = buffer.readableBytes == 0 ? ByteBuffer() : buffer
                }
            } catch {
                return violated(error)
            }
        }
    }

    /// - Returns: the bytes of packets that were taken.
    private func takePackets(_ buffer: ByteBuffer) -> Int {
        var offset = 0
        var run = PublishRun(arrivedAt: broker.now)
        buffer.withUnsafeReadableBytes { bytes in
            var scanner = scanner
            while phase != .closed, !isWaiting {
                // Whoever does not read its answers is not read on.
                guard out.readableBytes < broker.limits.outgoingBytes else {
                    waitsForRoom = true
                    isWaiting = true
                    break
                }
                do throws(Violation) {
                    guard case .packet(let head) = try scanner.scan(bytes, from: offset) else { break }
                    let packet = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + head.packetLength])
                    let step: Step
                    if head.type == .publish, phase == .connected {
                        let view = try PublishView(packet, head: head, version: version)
                        if continues(view, at: offset, &run) {
                            step = .taken
                        } else {
                            step = try take(publish: view, at: offset, of: buffer, &run)
                        }
                    } else {
                        finish(&run, bytes)
                        step = try take(packet, head)
                        // CONNECT says which version it is.
                        scanner = self.scanner
                    }
                    guard step == .taken else {
                        isWaiting = true
                        break
                    }
                    offset += head.packetLength
                } catch {
                    finish(&run, bytes)
                    violated(error)
                }
            }
            finish(&run, bytes)
        }
        broker.publishBatch()
        if isWaiting { setReading(false) }
        return phase == .closed ? buffer.readableBytes : offset
    }

    /// The wait is over: takes the packet again, and what came behind it.
    func resume() {
        guard isWaiting, phase != .closed, !isTaking else { return }
        isWaiting = false
        isTaking = true
        var buffer = pending
        pending = ByteBuffer()
        buffer.moveReaderIndex(forwardBy: takePackets(buffer))
        if buffer.readableBytes > 0, phase != .closed { pending = buffer }
        isTaking = false
        if !isWaiting, phase != .closed {
            if isInputClosed { context?.close(promise: nil) } else { setReading(true) }
        }
        broker.flushSoon()
    }

    private func setReading(_ isReading: Bool) {
        // The option of an open channel cannot fail; of a closed one it does not matter.
        try? context?.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }

    /// Any packet but a PUBLISH of a client that is connected.
    private func take(_ bytes: UnsafeRawBufferPointer, _ head: PacketHead) throws(Violation) -> Step {
        switch phase {
        case .connecting:
            // [MQTT-3.1.0-1]
            guard head.type == .connect else { throw .notConnected }
            return try connect(bytes, head)
        case .authenticating: return .waits
        case .closed: return .taken
        case .connected: break
        }
        guard let session else { return .taken }
        let packet = try Packet(bytes, head: head, version: version, from: .client)
        switch packet {
        case .connect: throw .connectedTwice
        case .pubAck(let packet): try session.acknowledged(packet.packetIdentifier)
        case .pubRec(let packet): try session.received(packet.packetIdentifier, reason: packet.reason)
        case .pubComp(let packet): try session.completed(packet.packetIdentifier)
        case .pubRel(let packet): release(packet.packetIdentifier, session)
        case .subscribe(let packet): return subscribe(packet, session)
        case .unsubscribe(let packet): return unsubscribe(packet, session)
        case .pingRequest: write(.pingResponse)
        case .disconnect(let packet): try disconnected(packet, session)
        // Without an authentication method in CONNECT there is nothing to go on with ([MQTT-4.12.0-6], [MQTT-4.12.1-1]).
        case .auth: throw .authenticationNotBegun
        case .connAck, .publish, .subAck, .unsubAck, .pingResponse: throw .wrongDirection
        }
        return .taken
    }

    func become(_ phase: Phase) { self.phase = phase }

    // MARK: What goes out

    /// Whether messages of QoS 1 and 2 may be sent now; otherwise they wait in the session.
    var canTake: Bool { phase == .connected && out.readableBytes < broker.limits.outgoingBytes }

    /// Any packet but a PUBLISH. The connection ends with one that does not fit what the client takes, as it would wait for it in vain; CONNACK and DISCONNECT
    /// leave that to the caller.
    ///
    /// - Returns: false when it does not fit.
    @discardableResult
    func write(_ packet: Packet) -> Bool {
        guard context != nil else { return true }
        let mayBeLeftOut: Bool
        var packet = packet
        switch packet {
        case .connAck, .disconnect: mayBeLeftOut = true
        default:
            mayBeLeftOut = false
            if !explains { packet = packet.withoutExplanations }
        }
        guard packet.encode(into: &out, version: version, maximumPacketSize: maximumPacketSize) else {
            if !mayBeLeftOut { end(.packetTooLarge, "an answer exceeds the client's maximum packet size") }
            return false
        }
        markDirty()
        return true
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    func acknowledge(_ type: PacketType, _ identifier: UInt16, _ reason: ReasonCode = .success) {
        Acknowledgement.write(type, identifier, reason, into: &out, version)
        markDirty()
    }

    func send(_ template: PublishTemplate, packetIdentifier: UInt16, isDuplicate: Bool = false) {
        write(template, packetIdentifier, isDuplicate)
        broker.metrics.sent.increment()
        markDirty()
    }

    /// QoS 0: dropped when the client does not take it.
    func sendAtMostOnce(_ template: PublishTemplate) {
        guard template.count <= maximumPacketSize else { return broker.metrics.dropped("too-large-for-client") }
        guard canTake else { return broker.metrics.dropped("slow-client") }
        write(template)
        broker.metrics.sent.increment()
        markDirty()
        flushIfLarge()
    }

    private func write(_ template: PublishTemplate, _ packetIdentifier: UInt16 = 0, _ isDuplicate: Bool = false) {
        guard outboundAliases.maximum > 0 else {
            return template.write(packetIdentifier: packetIdentifier, isDuplicate: isDuplicate, into: &out)
        }
        template.write(
            packetIdentifier: packetIdentifier, isDuplicate: isDuplicate, aliases: &outboundAliases,
            maximumPacketSize: maximumPacketSize, into: &out)
    }

    /// QoS 0 packets that go out as they came.
    func sendAtMostOnce(_ packets: UnsafeRawBufferPointer, count: Int) {
        guard canTake else { return broker.metrics.dropped("slow-client", count) }
        out.writeBytes(packets)
        broker.metrics.sent.increment(by: UInt64(count))
        markDirty()
        flushIfLarge()
    }

    /// A client that gets much is not kept waiting for the end of the round: what one round reads of many publishers is more than may wait for it. What waits
    /// then is what its socket has not taken.
    func flushIfLarge() {
        guard out.readableBytes >= min(Self.largeWrite, broker.limits.outgoingBytes / 4),
            context?.channel.isWritable == true
        else { return }
        flush()
    }

    private static let largeWrite = 128 << 10

    private func markDirty() {
        guard !isDirty else { return }
        isDirty = true
        broker.markDirty(self)
    }

    /// One write for all that was gathered. While the socket takes nothing it goes on gathering, up to its limit.
    func flush() {
        isDirty = false
        guard let context, out.readableBytes > 0, context.channel.isWritable else { return }
        let hadNoRoom = out.readableBytes >= broker.limits.outgoingBytes
        // Out of the way first: the write may call this again by way of the channel's writability.
        var bytes = out
        sentBytes += bytes.readableBytes
        out = ByteBuffer()
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        // A small one is kept: once it is written its memory is used again.
        if out.capacity == 0, bytes.capacity <= 64 << 10 {
            bytes.clear(minimumCapacity: 0)
            swap(&out, &bytes)
        }
        if hadNoRoom { session?.pump() }
        releaseHeld()
        guard waitsForRoom else { return }
        waitsForRoom = false
        // Not at once: what is taken may write to others that wait likewise.
        let bound = NIOLoopBound(self, eventLoop: broker.eventLoop)
        broker.eventLoop.execute { bound.value.resume() }
    }

    // MARK: Who waits for this client

    /// Whether more waits for the client than it should, and it is still waited for (``Pressure``).
    var isPressed: Bool {
        guard phase == .connected, !keepsUp else { return false }
        return pressure.isPatient(.now())
    }

    /// Whether little waits for the client.
    var keepsUp: Bool { !hasBacklog(part: 4) }

    /// Calls `action` when the client has taken most of what waits for it, is gone, or was waited for long enough.
    func hold(_ action: @escaping () -> Void) {
        guard pressure.hold(action) else { return }
        let episode = pressure.episode
        let bound = NIOLoopBound(self, eventLoop: broker.eventLoop)
        broker.eventLoop.scheduleTask(in: broker.limits.patience) {
            let connection = bound.value
            guard connection.pressure.episode == episode, connection.pressure.isHolding else { return }
            connection.broker.metrics.outwaited.increment()
            connection.pressure.giveUp(.now())
            connection.letGo()
        }
    }

    /// Lets those go on who wait for the client, if it has taken what it had.
    func releaseHeld() {
        guard pressure.isHolding, !hasBacklog(part: 8) else { return }
        letGo()
    }

    /// Not at once: what goes on may write to this client, whose writing may be what led here.
    private func letGo() {
        guard pressure.isHolding else { return }
        let bound = NIOLoopBound(pressure.takeHeld(), eventLoop: broker.eventLoop)
        broker.eventLoop.execute {
            for action in bound.value { action() }
        }
    }

    /// Whether at least this part of what may wait in memory waits.
    private func hasBacklog(part: Int) -> Bool {
        if out.readableBytes >= broker.limits.outgoingBytes / part { return true }
        guard let session else { return false }
        return session.queuedBytes >= broker.limits.queueMemoryBytes / part
    }

    // MARK: The end

    /// Ends the connection with a reason, which MQTT 5 is told ([MQTT-4.13.1-1]).
    func end(_ reason: ReasonCode, _ text: String) {
        guard phase != .closed else { return }
        broker.metrics.ended(reason, on: listener)
        if version == .v5, phase == .connected {
            var properties = Properties()
            properties.reasonString = text
            if reason == .useAnotherServer { properties.serverReference = broker.operators.serverReference }
            write(.disconnect(Disconnect(reason: reason, properties: properties)))
        }
        closeNow()
    }

    /// A packet broke a rule.
    private func violated(_ violation: Violation) {
        broker.metrics.violated(violation)
        guard phase != .closed else { return }
        if phase == .connecting { return refuseConnect(violation) }
        end(violation.reason, violation.description)
    }

    /// Sends what is written already, then closes.
    ///
    /// - Parameter savesFirst: when the store knows of it: a client that sees its connection closed counts on what it asked for.
    func closeNow(savesFirst: Bool = false) {
        guard phase != .closed else { return }
        let context = context
        if context?.channel.isWritable == true { flush() }
        closed()
        guard savesFirst, let channel = context?.channel else {
            context?.close(promise: nil)
            return
        }
        broker.whenSaved { channel.close(promise: nil) }
    }

    func closed() {
        let wasKnown = phase != .closed || session != nil
        phase = .closed
        pending = ByteBuffer()
        watch?.cancel()
        watch = nil
        broker.remove(self)
        letGo()
        guard wasKnown, let session else { return }
        self.session = nil
        broker.ended(session, self)
    }

    /// Called at every sweep.
    func checkDeadlines(_ now: NIODeadline) {
        let limits = broker.limits
        switch phase {
        case .connecting:
            if now > openedAt + limits.connectTimeout {
                broker.metrics.refused("connect-timeout", on: listener)
                closeNow()
            }
        case .authenticating:
            // `things` and the store have times of their own; this ends what neither did.
            if !isQueued, now > openedAt + max(limits.connectTimeout, Self.answerTimeout) {
                broker.metrics.refused("answer-timeout")
                closeNow()
            }
        case .connected:
            if hasStalled(now) {
                broker.metrics.slowConsumers.increment()
                return closeNow()
            }
            if let certificateExpiresAt, certificateExpiresAt <= broker.now {
                return end(.notAuthorized, "the client certificate has expired")
            }
            // What waits for this side is not the client's silence.
            guard !isWaiting,
                keepAlive.hasExpired(
                    lastPacketAt: Int64(clamping: lastPacketAt.uptimeNanoseconds),
                    now: Int64(clamping: now.uptimeNanoseconds))
            else { return }
            end(.keepAliveTimeout, "nothing was heard for one and a half times the keep-alive")
        case .closed: break
        }
    }

    /// Whether something has waited for the client for longer than it may, and nothing of it was taken meanwhile.
    private func hasStalled(_ now: NIODeadline) -> Bool {
        guard let channel = context?.channel, !channel.isWritable else {
            stall = nil
            return false
        }
        // While the channel is full nothing is added to it: another number means that the client reads.
        let bytes = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        guard let known = stall, known.bytes == bytes else {
            stall = (now, bytes)
            return false
        }
        return now > known.since + broker.limits.stallTimeout
    }
}
