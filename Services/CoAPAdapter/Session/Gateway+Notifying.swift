// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Observability

// Notifications (RFC 7641 section 4.2).
extension Gateway {
    /// How long what had to wait for its turn waits until it is looked at again.
    private static let retryNanoseconds: UInt64 = 20_000_000

    /// Notifications before datagrams have their turn again.
    private static let deliveryBudget = 1_000

    /// Notifies those whom messages of a batch are for, as many as may be at once.
    ///
    /// - Parameter from: the message to begin with.
    /// - Returns: the one to go on with; as many as there are when all is done.
    func deliver(_ batch: MessageFeed.Batch, from: Int) -> Int {
        if from == 0, delivering.isEmpty, batch.missing > 0 { metrics.gaps.increment(by: batch.missing) }
        let now = EndpointLoop.now()
        var budget = Self.deliveryBudget
        var index = from
        while index < batch.messages.count {
            let message = batch.messages[index]
            if delivering.isEmpty { delivering = observers.observers(of: message)[...] }
            while let id = delivering.popFirst() {
                notify(id, message, now: now)
                budget -= 1
                if budget == 0, !delivering.isEmpty { return index }
            }
            index += 1
            if budget <= 0 { return index }
        }
        return index
    }

    private func notify(_ id: ObservationID, _ message: ObservedMessage, now: UInt64) {
        guard var observer = observers[id] else { return }
        guard !observer.isHeld else { return wait(message, id, "held") }
        guard observer.pace.mayNotify(now: now) else {
            observers.update(observer)
            // The newest state is what an observer has to learn in the end (RFC 7641 section 1.3).
            wait(message, id, "pace")
            notifyDeadline = notifyDeadline ?? now &+ Self.retryNanoseconds
            return
        }
        // One that waited is older than this.
        if observers.takeWaiting(id) != nil { metrics.dropped("pace") }
        send(message, to: &observer, now: now)
    }

    private func wait(_ message: ObservedMessage, _ id: ObservationID, _ reason: String) {
        switch observers.wait(message, id) {
        case .waits: break
        case .replaced: metrics.dropped(reason)
        case .refused: metrics.dropped("waiting-maximum")
        }
    }

    /// Sends what had to wait, as far as it may go now.
    func notifyWaiting(now: UInt64) {
        for id in observers.waiting.keys { notifyWaiting(id, now: now) }
        let isAnyDue = observers.waiting.keys.contains { observers[$0]?.isHeld == false }
        notifyDeadline = isAnyDue ? now &+ Self.retryNanoseconds : nil
    }

    /// Sends what one observer has to wait for.
    func notifyWaiting(_ id: ObservationID, now: UInt64) {
        guard observers.waiting[id] != nil, var observer = observers[id], !observer.isHeld else { return }
        guard observer.pace.mayNotify(now: now) else {
            notifyDeadline = notifyDeadline ?? now &+ Self.retryNanoseconds
            return observers.update(observer)
        }
        if let message = observers.takeWaiting(id) { send(message, to: &observer, now: now) }
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
            wait(message, observer.id, "slow")
        case .gone: metrics.dropped("unsent")
        }
    }

    /// All of it, or its first block: the others are fetched without Observe (RFC 7959 section 2.6).
    func notification(_ content: Content, _ observer: Observer, _ now: UInt64) -> CoAPResponse? {
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
