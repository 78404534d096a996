// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging

#if canImport(Glibc)
    import Glibc
#endif

/// What a topic name means to publishers: read once, found by its bytes from then on.
final class PublishTopic {
    let bytes: [UInt8]
    /// nil: it is outside of the tree.
    let path: MessagePath?
    /// Where its messages went last; looked up again when a name leads to another channel.
    var route: Route?

    init(_ topic: UnsafeRawBufferPointer) {
        bytes = Array(topic)
        path = try? MessagePath.publish(topic, notation: .mqtt)
    }

    @inline(__always)
    func isNamed(_ topic: UnsafeRawBufferPointer) -> Bool {
        bytes.withUnsafeBytes { bytes in
            guard bytes.count == topic.count else { return false }
            guard let left = bytes.baseAddress, let right = topic.baseAddress else { return true }
            return memcmp(left, right, topic.count) == 0
        }
    }
}

/// Consecutive packets of QoS 0 on one topic that may go out as they came: to each subscriber as one copy.
struct PublishRun {
    /// When what is read was: nanoseconds since 1970.
    let arrivedAt: Int64
    /// Of this read, in order: no two have the same time.
    private var messages: Int64 = 0
    var topic: PublishTopic?
    var route: Route?
    var grant: Grant?
    var form: StreamForm?
    var start = 0
    var end = 0
    var count = 0
    var largest = 0
    /// Not counted yet: messages of QoS 0, and the bytes of their payloads.
    var received = (messages: 0, bytes: 0)

    init(arrivedAt: Int64) { self.arrivedAt = arrivedAt }

    /// When the next message was received.
    mutating func nextTime() -> Int64 {
        messages += 1
        return arrivedAt &+ messages
    }

    /// Begins another.
    mutating func begin(_ topic: PublishTopic, _ route: Route?, _ grant: Grant, _ form: StreamForm?) {
        self.topic = topic
        self.route = route
        self.grant = grant
        self.form = form
        count = 0
        largest = 0
    }

    /// One more packet, behind those that are in it.
    @inline(__always)
    mutating func add(_ packet: UnsafeRawBufferPointer, at offset: Int) {
        if count == 0 { start = offset }
        end = offset + packet.count
        count += 1
        largest = max(largest, packet.count)
    }
}
