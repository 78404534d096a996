// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Observability

/// What goes out: gathered, and one write for each round of the event loop.
extension Connection {
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

    /// Whether topics go out in full: the client takes no aliases.
    var takesPlainTopics: Bool { outboundAliases.maximum == 0 }

    /// Where ``takesPlainTopics``.
    func send(_ layout: PublishLayout, packetIdentifier: UInt16) {
        layout.write(packetIdentifier: packetIdentifier, into: &out)
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

    /// Lets go of the memory in which answers are gathered, of a client from which nothing comes: most are silent most of the time.
    func releaseRoom(_ now: NIODeadline) {
        guard out.readableBytes == 0, out.capacity > 0, lastPacketAt + broker.limits.sweepInterval < now else { return }
        out = ByteBuffer()
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
}
