// SPDX-License-Identifier: Apache-2.0
import Bus
import Messaging

/// A durable consumer: its position, what is on its way to its reader, and the reader.
final class Consumer {
    let stream: Stream
    var configuration: ConsumerConfiguration {
        didSet { filter = configuration.filter.map { Array($0.utf8) } }
    }
    private var filter: [UInt8]?

    /// The next sequence number to look at.
    var next: UInt64
    var pending = PendingMessages()
    /// Why a message was given up, where the reader said so.
    var reasons: [UInt64: String] = [:]

    /// The one reader; nil: nobody reads.
    var reader: Connection?
    var subscription: UInt32 = 0
    /// A read for this consumer is under way on the reader thread.
    var isFetching = false
    /// Monotonic nanoseconds: a read failed for want of memory or descriptors and is tried again then.
    var fetchAgainAt = UInt64.max
    /// To be looked at before the loop waits again.
    var isQueued = false

    /// Acknowledged out of turn before a restart: not delivered again.
    private var restored: AcknowledgedSet
    /// Something changed since the position was handed to the store.
    var isUnsaved = true
    var redelivered: UInt64 = 0
    var deadLettered: UInt64 = 0

    init(stream: Stream, record: ConsumerRecord) {
        self.stream = stream
        configuration = record.configuration
        restored = record.acknowledged
        next = record.acknowledged.floor + 1
        redelivered = record.redelivered
        deadLettered = record.deadLettered
        filter = configuration.filter.map { Array($0.utf8) }
    }

    /// As it is to be stored.
    var record: ConsumerRecord {
        var acknowledged = AcknowledgedSet(floor: acknowledgedThrough, ranges: restored.ranges)
        pending.forEachAcknowledged { acknowledged.insert($0) }
        return ConsumerRecord(
            configuration: configuration, acknowledged: acknowledged, redelivered: redelivered,
            deadLettered: deadLettered)
    }

    /// Whether a message that was not delivered since the start is done with.
    func isAcknowledged(_ sequence: UInt64) -> Bool {
        guard !restored.ranges.isEmpty else { return false }
        return restored.contains(sequence)
    }

    /// Everything up to here is acknowledged or does not match.
    var acknowledgedThrough: UInt64 { (pending.firstSequence ?? next) - 1 }

    func matches(_ subject: UnsafeRawBufferPointer) -> Bool {
        guard let filter else { return true }
        return filter.withUnsafeBytes { SubjectFilter.matches(filter: $0, subject: subject) }
    }

    /// Whether the window of unacknowledged messages takes another one. One message always fits.
    func hasRoom(for bytes: Int) -> Bool {
        pending.count == 0
            || (pending.count < configuration.maximumUnacknowledgedMessages
                && pending.bytes + bytes <= configuration.maximumUnacknowledgedBytes)
    }

    /// Monotonic nanoseconds of the deadline of a delivery made now.
    func deadline(_ now: UInt64) -> UInt64 {
        now &+ UInt64(max(configuration.acknowledgeWaitMilliseconds, 1)) &* 1_000_000
    }

    func state(lastSequence: UInt64) -> ConsumerState {
        let through = acknowledgedThrough
        return ConsumerState(
            configuration: configuration, acknowledgedThrough: through, unacknowledged: pending.count,
            pending: lastSequence > through ? lastSequence - through : 0, redelivered: redelivered,
            deadLettered: deadLettered)
    }

    /// What is wrong with a configuration; nil: nothing.
    static func problem(_ configuration: ConsumerConfiguration) -> String? {
        guard Stream.isName(configuration.name) else { return "a consumer's name is 1 to 64 of a-z, 0-9 and -" }
        if let filter = configuration.filter, !SubjectFilter.isValidFilter(filter) {
            return "'\(filter)' is not a subject filter"
        }
        guard (1...1_000_000).contains(configuration.maximumUnacknowledgedMessages) else {
            return "maximumUnacknowledgedMessages must be within 1 to 1,000,000"
        }
        guard (1...1 << 30).contains(configuration.maximumUnacknowledgedBytes) else {
            return "maximumUnacknowledgedBytes must be within 1 to 1 GiB"
        }
        guard (1...86_400_000).contains(configuration.acknowledgeWaitMilliseconds) else {
            return "acknowledgeWaitMilliseconds must be within 1 to 86,400,000"
        }
        guard (0...1_000_000).contains(configuration.maximumDeliveries) else {
            return "maximumDeliveries must be within 0 to 1,000,000"
        }
        guard configuration.startSequence < UInt64.max / 2 else { return "startSequence is too large" }
        return nil
    }
}
