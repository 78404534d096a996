// SPDX-License-Identifier: Apache-2.0
import Bus
import CLinux
import Glibc

extension Broker {
    /// Read at most from one connection while anybody is congested, so that many publishers do not bury the one who is behind.
    private static let congestedReadBytes = 16 << 10

    /// Reads once from a connection and handles what that brought.
    func receive(_ connection: Connection) {
        if connection.carry.isCollecting { return collect(connection) }
        let base = arena.next
        let carried = connection.carry.count
        if carried > 0, let bytes = connection.carry.bytes { memcpy(base, bytes, carried) }
        let limit = congested.isEmpty ? ReadArena.readBytes : Self.congestedReadBytes
        let received = recv(connection.descriptor, base + carried, limit, 0)
        guard received > 0 else { return receivedNothing(connection, received) }
        let count = carried + received
        let consumed = parse(connection, UnsafeRawPointer(base), count, isStable: true)
        keepTail(connection, UnsafeRawPointer(base) + consumed, count - consumed)
        arena.keep(consumed)
    }

    private func keepTail(_ connection: Connection, _ tail: UnsafeRawPointer, _ count: Int) {
        guard count > 0, !connection.isClosed, !connection.isEnding else { return connection.carry.clear() }
        // A held frame is whole; what follows it is kept as it came.
        let isKnown = count >= 4 && !connection.isHeld
        connection.carry.keep(
            tail, count, frameLength: isKnown ? Int(tail.loadUnaligned(as: UInt32.self)) + 4 : 0)
    }

    /// Goes on where a full log held the connection up.
    func resume(_ connection: Connection) {
        guard connection.isHeld else { return }
        connection.isHeld = false
        if let bytes = connection.carry.bytes {
            let count = connection.carry.count
            let consumed = parse(connection, UnsafeRawPointer(bytes), count, isStable: false)
            keepTail(connection, UnsafeRawPointer(bytes) + consumed, count - consumed)
        }
        updateInterest(connection)
    }

    /// Reads on at a long frame; its length was checked when its beginning arrived.
    private func collect(_ connection: Connection) {
        guard let bytes = connection.carry.bytes else { return }
        let received = recv(connection.descriptor, bytes + connection.carry.count, connection.carry.missing, 0)
        guard received > 0 else { return receivedNothing(connection, received) }
        connection.carry.received(received)
        guard connection.carry.missing == 0 else { return }
        let count = connection.carry.count
        let consumed = parse(connection, UnsafeRawPointer(bytes), count, isStable: false)
        keepTail(connection, UnsafeRawPointer(bytes) + consumed, count - consumed)
    }

    private func receivedNothing(_ connection: Connection, _ result: Int) {
        if result < 0, errno == EAGAIN || errno == EINTR { return }
        close(connection)
    }

    /// Handles all whole frames.
    ///
    /// Consecutive publishes with the same receivers and nothing special about them are one run, copied as one range.
    /// - Returns: bytes used up.
    private func parse(_ connection: Connection, _ base: UnsafeRawPointer, _ count: Int, isStable: Bool) -> Int {
        var position = 0
        var runStart = 0
        var runTargets: Int32 = -1
        var runCount = 0
        var received: UInt64 = 0
        let roleBit = connection.roleBit
        let publish = Wire.Opcode.publish.rawValue
        while count &- position >= Wire.controlHeadLength {
            let frame = base + position
            let length = Int(frame.loadUnaligned(as: UInt32.self)) &+ 4
            guard length >= Wire.controlHeadLength, length <= Self.maximumFrameBytes else { break }
            if length > count &- position { break }
            if frame.load(fromByteOffset: 4, as: UInt8.self) == publish, length >= Wire.headLength {
                let subjectLength = Int(frame.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
                let replyLength = Int(frame.loadUnaligned(fromByteOffset: 12, as: UInt16.self))
                let headersLength = Int(frame.loadUnaligned(fromByteOffset: 14, as: UInt16.self))
                let flags = frame.load(fromByteOffset: 5, as: UInt8.self)
                let fixed = Wire.headLength &+ subjectLength &+ replyLength &+ headersLength
                if replyLength == 0, flags & Self.specialFlags == 0, fixed <= length,
                    length &- fixed <= Self.maximumPayloadBytes, !Self.isInbox(frame, subjectLength)
                {
                    let route = router.route(frame + Wire.headLength, subjectLength)
                    if route.pointee.isPlain, route.pointee.publishers & roleBit != 0 {
                        if route.pointee.targets != runTargets {
                            forward(connection, base, runStart, position, runTargets, runCount, isStable)
                            runStart = position
                            runTargets = route.pointee.targets
                            runCount = 0
                        }
                        runCount &+= 1
                        received &+= 1
                        position &+= length
                        continue
                    }
                }
            }
            forward(connection, base, runStart, position, runTargets, runCount, isStable)
            runTargets = -1
            runCount = 0
            handle(connection, frame, length)
            if connection.isClosed || connection.isEnding { return position + length }
            if connection.isHeld { break }
            position &+= length
        }
        forward(connection, base, runStart, position, runTargets, runCount, isStable)
        statistics.messagesReceived &+= received
        statistics.bytesReceived &+= UInt64(position)
        checkLength(connection, base + position, count - position)
        return position
    }

    /// Flags that make a publish more than something to pass on.
    static var specialFlags: UInt8 { Wire.Flags.durable.rawValue }

    /// `inbox.`
    @inline(__always)
    static func isInbox(_ frame: UnsafeRawPointer, _ subjectLength: Int) -> Bool {
        guard subjectLength >= 6, frame.load(fromByteOffset: Wire.headLength, as: UInt8.self) == UInt8(ascii: "i")
        else { return false }
        return frame.loadUnaligned(fromByteOffset: Wire.headLength, as: UInt32.self) == 0x6F62_6E69
            && frame.loadUnaligned(fromByteOffset: Wire.headLength + 4, as: UInt16.self) == 0x2E78
    }

    /// A frame whose length cannot be right would never be whole: refused as soon as its length field is there.
    private func checkLength(_ connection: Connection, _ frame: UnsafeRawPointer, _ count: Int) {
        guard count >= 4, !connection.isEnding else { return }
        let length = Int(frame.loadUnaligned(as: UInt32.self)) + 4
        if length > Self.maximumFrameBytes {
            end(
                connection, .payloadTooLarge,
                "a frame of \(length) bytes; at most \(Self.maximumFrameBytes) are possible")
        } else if length < Wire.controlHeadLength {
            end(connection, .protocolViolation, "a frame of \(length) bytes")
        }
    }

    /// Everything but a publish that is part of a run.
    private func handle(_ connection: Connection, _ frame: UnsafeRawPointer, _ length: Int) {
        guard let opcode = Wire.Opcode(rawValue: frame.load(fromByteOffset: 4, as: UInt8.self)) else {
            return end(
                connection, .protocolViolation,
                "unknown opcode \(frame.load(fromByteOffset: 4, as: UInt8.self))")
        }
        guard connection.role != nil || opcode == .hello else {
            return end(connection, .protocolViolation, "hello must come first")
        }
        if opcode == .publish { return publish(connection, frame, length) }
        let control = ControlFrame(frame, length)
        switch opcode {
        case .hello: hello(connection, control)
        case .subscribe: subscribe(connection, control)
        case .unsubscribe: unsubscribe(connection, control)
        case .ping: connection.control(.pong, token: control.token, body: control.body)
        case .command: command(connection, control)
        case .consume: consume(connection, control)
        case .acknowledge: acknowledge(connection, control)
        case .publish, .queueDelivery, .streamDelivery, .welcome, .done, .failed, .stored, .refused, .pong:
            end(connection, .protocolViolation, "'\(opcode)' is not for a client to send")
        }
        if !connection.isClosed { markDirty(connection) }
    }
}
