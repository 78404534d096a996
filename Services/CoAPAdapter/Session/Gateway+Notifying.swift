// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Observability

// Notifications (RFC 7641 section 4.2).
extension Gateway {
    /// How long what had to wait for its turn waits until it is looked at again.
    private static let retryNanoseconds: UInt64 = 20_000_000

    func deliver(_ batch: MessageFeed.Batch) {
        if batch.missing > 0 { metrics.gaps.increment(by: batch.missing) }
        let now = EndpointLoop.now()
        for message in batch.messages {
            for id in observers.observers(of: message) { notify(id, message, now: now) }
        }
    }

    private func notify(_ id: ObservationID, _ message: ObservedMessage, now: UInt64) {
        guard var observer = observers[id] else { return }
        guard !observer.isHeld else {
            if observers.waiting.updateValue(message, forKey: id) != nil { metrics.dropped("held") }
            return
        }
        guard observer.pace.mayNotify(now: now) else {
            observers.update(observer)
            // The newest state is what an observer has to learn in the end (RFC 7641 section 1.3).
            if observers.waiting.updateValue(message, forKey: id) != nil { metrics.dropped("pace") }
            deadline = deadline ?? now &+ Self.retryNanoseconds
            return
        }
        // One that waited is older than this.
        if observers.waiting.removeValue(forKey: id) != nil { metrics.dropped("pace") }
        send(message, to: &observer, now: now)
    }

    /// Sends what had to wait, as far as it may go now.
    func notifyWaiting(now: UInt64) {
        for (id, message) in observers.waiting {
            guard var observer = observers[id], !observer.isHeld else { continue }
            guard observer.pace.mayNotify(now: now) else {
                observers.update(observer)
                continue
            }
            observers.waiting[id] = nil
            send(message, to: &observer, now: now)
        }
        let isAnyDue = observers.waiting.keys.contains { observers[$0]?.isHeld == false }
        deadline = isAnyDue ? now &+ Self.retryNanoseconds : nil
    }

    private func send(_ message: ObservedMessage, to observer: inout Observer, now: UInt64) {
        defer { observers.update(observer) }
        guard let (payload, contentFormat) = represent(message.payload, message.contentType, observer.contentFormat)
        else {
            return metrics.dropped("format")
        }
        if observer.contentFormat == nil { observer.contentFormat = contentFormat }
        guard var response = notification(Content(payload: payload, contentFormat: contentFormat), observer, now) else {
            return metrics.dropped("unsent")
        }
        response.observe = Self.observeValue(message.sequence)
        response.maxAge = Self.observedMaxAge
        let isConfirmable = observer.pace.isConfirmable(now: now)
        switch loop.notify(observer.id, response, isConfirmable: isConfirmable) {
        case .sent: (isConfirmable ? metrics.confirmableNotifications : metrics.notifications).increment()
        // The newest waits until the connection has taken those before.
        case .notNow:
            if observers.waiting.updateValue(message, forKey: observer.id) != nil { metrics.dropped("slow") }
        case .gone: metrics.dropped("unsent")
        }
    }

    /// All of it, or its first block: the others are fetched without Observe (RFC 7959 section 2.6).
    private func notification(_ content: Content, _ observer: Observer, _ now: UInt64) -> CoAPResponse? {
        guard let room = loop.room(observer.id) else { return nil }
        guard content.payload.readableBytes > room else {
            var response = CoAPResponse(.content)
            response.contentFormat = content.contentFormat
            response.payload = content.payload
            return response
        }
        return try? slices.begin(content, observer.key, nil, room: room, now: now)
    }

    /// A message's payload in the form that is wanted; nil: it cannot be had in that.
    func represent(
        _ payload: ByteBuffer, _ type: ContentType, _ wanted: UInt16?
    ) -> (payload: ByteBuffer, contentFormat: UInt16?)? {
        guard let (form, contentFormat) = Representation.of(type, as: wanted) else { return nil }
        switch form {
        case .asItIs: return (payload, contentFormat)
        case .converted(let format):
            var converted = ByteBuffer()
            let isConverted = payload.withUnsafeReadableBytes { bytes -> Bool in
                let from: SenMLFormat = format == .json ? .cbor : .json
                do throws(SenMLError) {
                    try transcoder.convert(bytes, from: from, to: format, into: &converted)
                    return true
                } catch {
                    return false
                }
            }
            return isConverted ? (converted, contentFormat) : nil
        }
    }
}
