// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging

/// A publish frame taken apart, in place.
struct PublishFrame {
    let bytes: UnsafeRawPointer
    let length: Int
    let flags: Wire.Flags
    let token: UInt32
    let subject: UnsafeRawBufferPointer
    let reply: UnsafeRawBufferPointer
    let headers: UnsafeRawBufferPointer
    let payload: UnsafeRawBufferPointer

    /// - Returns: nil when the lengths in the head exceed the frame.
    init?(_ frame: UnsafeRawPointer, _ length: Int) {
        guard length >= Wire.headLength else { return nil }
        let subjectLength = Int(frame.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
        let replyLength = Int(frame.loadUnaligned(fromByteOffset: 12, as: UInt16.self))
        let headersLength = Int(frame.loadUnaligned(fromByteOffset: 14, as: UInt16.self))
        let fixed = Wire.headLength + subjectLength + replyLength + headersLength
        guard fixed <= length else { return nil }
        bytes = frame
        self.length = length
        flags = Wire.Flags(rawValue: frame.load(fromByteOffset: 5, as: UInt8.self))
        token = frame.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
        let start = frame + Wire.headLength
        subject = UnsafeRawBufferPointer(start: start, count: subjectLength)
        reply = UnsafeRawBufferPointer(start: start + subjectLength, count: replyLength)
        headers = UnsafeRawBufferPointer(start: start + subjectLength + replyLength, count: headersLength)
        payload = UnsafeRawBufferPointer(start: frame + fixed, count: length - fixed)
    }
}

extension Broker {
    static var maximumPayloadBytes: Int { Limits.messageBytes }

    /// Passes a run of publishes on as it is.
    func forward(
        _ publisher: Connection, _ base: UnsafeRawPointer, _ start: Int, _ end: Int, _ targets: Int32, _ count: Int,
        _ isStable: Bool
    ) {
        guard count > 0 else { return }
        let set = router.targets(targets)
        if set.isEmpty {
            statistics.messagesWithoutReceiver &+= UInt64(count)
            return
        }
        deliver(publisher, base + start, end - start, to: set, count: count, isStable: isStable)
    }

    private func deliver(
        _ publisher: Connection, _ bytes: UnsafeRawPointer, _ length: Int, to set: TargetSet, count: Int, isStable: Bool
    ) {
        for slot in set.connections {
            guard let target = connections[Int(slot)], admits(target, length, from: publisher) else { continue }
            if isStable {
                target.output.appendStable(bytes, length)
            } else {
                target.output.append(bytes, length)
            }
            markDirty(target)
            statistics.messagesDelivered &+= UInt64(count)
        }
    }

    /// Whether a connection takes `length` more bytes; it is cut off when it has too many waiting already. A publisher whose receiver is
    /// congested is paused.
    private func admits(_ target: Connection, _ length: Int, from publisher: Connection) -> Bool {
        guard !target.isEnding, !target.isClosed, !target.isOverflowing else { return false }
        if target.congestedSince != 0 { pause(publisher, behind: target) }
        let waiting = target.output.count + length
        if waiting > configuration.maximumConnectionBytes
            || (bufferedBytes > configuration.maximumBufferedBytes && waiting > 64 << 10)
        {
            // Not at once: ending it changes the routes that the caller is walking through.
            if !target.isOverflowing {
                target.isOverflowing = true
                overflowing.append(target)
            }
            return false
        }
        return true
    }

    /// One publish that is not part of a run: durable, captured, a request, for an inbox or a queue group, or refused.
    func publish(_ connection: Connection, _ bytes: UnsafeRawPointer, _ length: Int) {
        guard let frame = PublishFrame(bytes, length) else {
            return end(connection, .protocolViolation, "the lengths in a publish exceed its frame")
        }
        statistics.messagesReceived &+= 1
        guard frame.payload.count <= Self.maximumPayloadBytes else {
            return refuse(
                connection, frame, .payloadTooLarge, "a payload is at most \(Self.maximumPayloadBytes) bytes long")
        }
        if Self.isInbox(bytes, frame.subject.count) { return publishToInbox(connection, frame) }
        let route = router.route(bytes + Wire.headLength, frame.subject.count).pointee
        guard route.isWellFormed else {
            return refuse(connection, frame, .invalidSubject, "not a subject that can be published to")
        }
        guard route.publishers & connection.roleBit != 0 else {
            return refuse(connection, frame, .permissionDenied, "the role may not publish to this subject")
        }
        if !frame.reply.isEmpty, !connection.owns(reply: frame.reply) {
            guard let base = frame.reply.baseAddress, mayReply(connection, base, frame.reply.count) else {
                return refuse(connection, frame, .permissionDenied, "the role may not publish to this reply subject")
            }
        }
        let set = router.targets(route.targets)
        if route.stream >= 0 {
            switch store(connection, frame, stream: route.stream) {
            case .taken: break
            case .refused: return
            case .held:
                connection.isHeld = true
                return updateInterest(connection)
            }
        } else if frame.flags.contains(.durable) {
            return refuse(connection, frame, .notCaptured, "no stream captures this subject")
        }
        deliver(connection, bytes, length, to: set, count: 1, isStable: false)
        var hasReceiver = !set.connections.isEmpty
        for group in set.groups where deliver(connection, frame, to: group) { hasReceiver = true }
        guard !hasReceiver else { return }
        statistics.messagesWithoutReceiver &+= 1
        if connection.owns(reply: frame.reply) {
            statistics.noResponders &+= 1
            connection.noResponders(reply: frame.reply)
            markDirty(connection)
        }
    }

    /// Naming a subject as reply has the receiver publish there: a role may only name what it may publish to itself.
    private func mayReply(_ connection: Connection, _ reply: UnsafeRawPointer, _ length: Int) -> Bool {
        let route = router.route(reply, length)
        return route.pointee.isWellFormed && route.pointee.publishers & connection.roleBit != 0
            && !UnsafeRawBufferPointer(start: reply, count: length).starts(with: "inbox.".utf8)
    }

    private func publishToInbox(_ connection: Connection, _ frame: PublishFrame) {
        guard !frame.flags.contains(.durable) else {
            return refuse(connection, frame, .notCaptured, "an inbox is not captured by a stream")
        }
        guard let identity = Connection.identity(inbox: frame.subject),
            let target = self.connection(identity: identity),
            admits(target, frame.length, from: connection)
        else {
            // Whoever asked has gone; that is for nobody to mend.
            statistics.messagesWithoutReceiver &+= 1
            return
        }
        target.output.append(frame.bytes, frame.length)
        markDirty(target)
        statistics.messagesDelivered &+= 1
    }

    private func deliver(_ publisher: Connection, _ frame: PublishFrame, to group: QueueGroup) -> Bool {
        let chosen = group.choose(tolerance: 64 << 10) { slot in
            guard let member = connections[Int(slot)], !member.isEnding, !member.isClosed else { return .max }
            return member.output.count
        }
        guard let chosen, let target = connections[Int(chosen.slot)], admits(target, frame.length, from: publisher)
        else { return false }
        let copy = target.output.reserve(frame.length)
        copy.copyMemory(from: frame.bytes, byteCount: frame.length)
        copy.storeBytes(of: Wire.Opcode.queueDelivery.rawValue, toByteOffset: 4, as: UInt8.self)
        copy.storeBytes(of: chosen.identifier, toByteOffset: 8, as: UInt32.self)
        markDirty(target)
        statistics.messagesDelivered &+= 1
        return true
    }

    /// Refuses a publish: told to whoever waits for an acknowledgement or an answer, counted, logged once per subject and connection.
    func refuse(
        _ connection: Connection, _ frame: PublishFrame, _ failure: Wire.Failure, retryAfterSeconds: UInt32 = 0,
        _ text: String
    ) {
        statistics.refuse(String(describing: failure).snakeCased)
        if frame.flags.contains(.durable) {
            connection.refused(frame.token, failure, retryAfterSeconds: retryAfterSeconds, text)
            markDirty(connection)
        } else if connection.owns(reply: frame.reply) {
            // The requester should not have to wait for its deadline; the log says why.
            connection.noResponders(reply: frame.reply)
            markDirty(connection)
        } else if failure == .budgetSpent || failure == .storageFailed {
            statistics.unacknowledgedRefused &+= 1
        }
        guard failure == .permissionDenied || failure == .invalidSubject else { return }
        logRefusal(connection, String(decoding: frame.subject.prefix(Limits.subjectBytes), as: UTF8.self), text)
    }

    func logRefusal(_ connection: Connection, _ subject: String, _ text: String) {
        guard connection.loggedRefusals.count < Connection.maximumLoggedRefusals,
            connection.loggedRefusals.insert(subject).inserted
        else { return }
        logger.warning(
            "refused",
            metadata: [
                "client": "\(connection.name)", "pid": "\(connection.processID)", "subject": "\(subject)",
                "reason": "\(text)",
            ])
    }
}

extension String {
    /// `slowConsumer` → `slow_consumer`: how reasons are written in metrics.
    var snakeCased: String {
        reduce(into: "") { text, character in
            if character.isUppercase { text += "_" }
            text += character.lowercased()
        }
    }
}
