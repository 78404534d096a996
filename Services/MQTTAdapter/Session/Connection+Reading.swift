// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// What arrives: packets are found in it where it lies, and wait in it.
extension Connection {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase != .closed else { return }
        var arrived = unwrapInboundIn(data)
        lastPacketAt = .now()
        receivedBytes += arrived.readableBytes
        if isWaiting { return keep(arrived) }
        isTaking = true
        if pending.readableBytes > 0 { finishPending(with: &arrived) }
        if !isWaiting, phase != .closed, arrived.readableBytes > 0 {
            arrived.moveReaderIndex(forwardBy: takePackets(arrived))
        }
        if arrived.readableBytes > 0, phase != .closed { keep(arrived) }
        isTaking = false
    }

    /// Keeps what was not taken, where it lies unless that is much larger.
    private func keep(_ arrived: ByteBuffer) {
        if pending.readableBytes == 0, arrived.storageCapacity <= Self.wastedPart * arrived.readableBytes {
            pending = arrived
        } else {
            pending.writeImmutableBuffer(arrived)
        }
    }

    private static let wastedPart = 4

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
        // Without reason and properties, as it mostly comes.
        if head.type == .pubAck, head.packetLength == 4, head.length == 2 {
            let identifier = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
            guard identifier != 0 else { throw .zeroPacketIdentifier }
            try session.acknowledged(identifier)
            return .taken
        }
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
}
