// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// What a stream captures and how much of it is kept.
///
/// Nothing that a durable consumer has not acknowledged is ever deleted, whatever the limits say: when `maximumBytes` is spent and nothing
/// may go, publishing is refused with ``BusError/budgetSpent``. With no durable consumer declared, nothing counts as acknowledged.
public struct StreamConfiguration: Codable, Sendable, Equatable {
    public enum Retention: String, Codable, Sendable {
        /// A segment goes once every durable consumer has acknowledged it.
        case interest
        /// A segment goes once every durable consumer has acknowledged it and it is beyond `maximumAgeSeconds` or `maximumBytes`.
        case limits
    }

    /// `a-z 0-9 -`, at most 64 bytes.
    public var name: String
    /// Filters; two streams must not overlap.
    public var subjects: [String]
    public var retention: Retention
    /// The disk budget, whole segments included. At least two segments.
    public var maximumBytes: UInt64
    /// nil: no limit of age.
    public var maximumAgeSeconds: UInt64?
    /// How long a message identifier is remembered. 0: never. Bounded also by `maximumDuplicateEntries` (oldest forgotten first).
    public var duplicateWindowSeconds: UInt64
    public var maximumDuplicateEntries: Int
    /// Size of a log segment, 1 MiB to 1 GiB; segments are the unit of deletion.
    public var segmentBytes: UInt64

    public init(
        name: String, subjects: [String], retention: Retention = .interest, maximumBytes: UInt64,
        maximumAgeSeconds: UInt64? = nil, duplicateWindowSeconds: UInt64 = 120, maximumDuplicateEntries: Int = 100_000,
        segmentBytes: UInt64 = 64 << 20
    ) {
        self.name = name
        self.subjects = subjects
        self.retention = retention
        self.maximumBytes = maximumBytes
        self.maximumAgeSeconds = maximumAgeSeconds
        self.duplicateWindowSeconds = duplicateWindowSeconds
        self.maximumDuplicateEntries = maximumDuplicateEntries
        self.segmentBytes = segmentBytes
    }
}

public struct StreamState: Codable, Sendable, Equatable {
    public var configuration: StreamConfiguration
    /// Changes only when the log was lost and begun anew; store it beside any sequence number.
    public var id: StreamID
    /// Lowest sequence number that is kept; `lastSequence + 1` when empty. Sequence numbers begin at 1.
    public var firstSequence: UInt64
    /// Last one synced to disk; 0 before the first.
    public var lastSequence: UInt64
    public var bytes: UInt64
    /// Records lost to corruption, as found so far: their sequence numbers (first 1,000).
    public var corruptSequences: [UInt64]
    public var corruptCount: UInt64
    /// Consumer names.
    public var consumers: [String]
    /// False while publishing is refused, with the reason.
    public var isAccepting: Bool
    public var refusalReason: String?

    public init(
        configuration: StreamConfiguration, id: StreamID, firstSequence: UInt64, lastSequence: UInt64, bytes: UInt64,
        corruptSequences: [UInt64], corruptCount: UInt64, consumers: [String], isAccepting: Bool, refusalReason: String?
    ) {
        self.configuration = configuration
        self.id = id
        self.firstSequence = firstSequence
        self.lastSequence = lastSequence
        self.bytes = bytes
        self.corruptSequences = corruptSequences
        self.corruptCount = corruptCount
        self.consumers = consumers
        self.isAccepting = isAccepting
        self.refusalReason = refusalReason
    }
}

/// A durable consumer: a named position in a stream that outlives its reader.
public struct ConsumerConfiguration: Codable, Sendable, Equatable {
    /// `a-z 0-9 -`, at most 64 bytes.
    public var name: String
    /// Only subjects that match are delivered; nil: all.
    public var filter: String?
    /// Where a consumer that is created now begins: this sequence number, or the oldest kept one that is not below it.
    public var startSequence: UInt64
    /// Delivered and not yet acknowledged, at most.
    public var maximumUnacknowledgedMessages: Int
    public var maximumUnacknowledgedBytes: Int
    /// After this long without an acknowledgement a message is delivered again.
    public var acknowledgeWaitMilliseconds: Int
    /// After this many deliveries without acknowledgement the message goes to the dead letters and counts as acknowledged. 0: no limit.
    public var maximumDeliveries: Int

    public init(
        name: String, filter: String? = nil, startSequence: UInt64 = 1, maximumUnacknowledgedMessages: Int = 65_536,
        maximumUnacknowledgedBytes: Int = 16 << 20, acknowledgeWaitMilliseconds: Int = 30_000,
        maximumDeliveries: Int = 0
    ) {
        self.name = name
        self.filter = filter
        self.startSequence = startSequence
        self.maximumUnacknowledgedMessages = maximumUnacknowledgedMessages
        self.maximumUnacknowledgedBytes = maximumUnacknowledgedBytes
        self.acknowledgeWaitMilliseconds = acknowledgeWaitMilliseconds
        self.maximumDeliveries = maximumDeliveries
    }
}

public struct ConsumerState: Codable, Sendable, Equatable {
    public var configuration: ConsumerConfiguration
    /// Everything up to here is acknowledged (or does not match the filter).
    public var acknowledgedThrough: UInt64
    /// Delivered, not acknowledged.
    public var unacknowledged: Int
    /// Matching or not: stored behind `acknowledgedThrough`.
    public var pending: UInt64
    public var redelivered: UInt64
    public var deadLettered: UInt64

    public init(
        configuration: ConsumerConfiguration, acknowledgedThrough: UInt64, unacknowledged: Int, pending: UInt64,
        redelivered: UInt64, deadLettered: UInt64
    ) {
        self.configuration = configuration
        self.acknowledgedThrough = acknowledgedThrough
        self.unacknowledged = unacknowledged
        self.pending = pending
        self.redelivered = redelivered
        self.deadLettered = deadLettered
    }
}

/// A message as it is stored.
public struct StreamMessage: Sendable, Equatable {
    public var sequence: UInt64
    /// When the bus appended it: nanoseconds since 1970.
    public var storedAt: Int64
    /// 1 for the first delivery.
    public var deliveryCount: UInt32
    public var subject: String
    public var headers: BusHeaders
    public var payload: ByteBuffer

    public init(
        sequence: UInt64, storedAt: Int64, deliveryCount: UInt32, subject: String, headers: BusHeaders,
        payload: ByteBuffer
    ) {
        self.sequence = sequence
        self.storedAt = storedAt
        self.deliveryCount = deliveryCount
        self.subject = subject
        self.headers = headers
        self.payload = payload
    }
}

/// What a read that leaves messages out has found.
public struct StreamRead: Sendable, Equatable {
    public var messages: [StreamMessage]
    /// The last sequence number that was looked at: read on behind it.
    public var through: UInt64
    /// Messages that were left out.
    public var passedOver: Int

    public init(messages: [StreamMessage], through: UInt64, passedOver: Int) {
        self.messages = messages
        self.through = through
        self.passedOver = passedOver
    }
}

/// Delivery from a durable consumer: in order of sequence, except that a redelivered message comes when its time is up.
public protocol BusConsumer: Sendable {
    /// The stream as it stood when reading began (again): a new `id` means that positions kept elsewhere are void.
    /// A reconnect after which the stream has another identity ends the sequence with ``BusError/notFound``.
    var stream: StreamState { get }
    /// All that came since the last batch was taken. The unacknowledged window bounds what is buffered.
    ///
    /// After a reconnect what was buffered and not yet taken is discarded, as it comes again.
    var batches: AsyncThrowingStream<[StreamMessage], any Error> { get }
    // The four verdicts are sent in the background, coalesced; one that is lost with the connection, or that finds the connection's
    // outgoing queue full, means that the message comes again.

    /// Acknowledges this one message.
    func acknowledge(_ sequence: UInt64)
    /// Acknowledges everything delivered up to and including `sequence`, also what was given up and is not among the dead letters yet: who gives up
    /// acknowledges the others with ``acknowledge(_:)``.
    func acknowledge(through sequence: UInt64)
    /// Asks for the message again after the delay.
    func reject(_ sequence: UInt64, redeliverAfter: Duration)
    /// Gives the message up: to the dead letters, with the reason.
    func giveUp(_ sequence: UInt64, reason: String)
    func cancel() async
}

/// What a dead letter was: it lies in the stream `dead-letters` under the subject `dead.<stream>.<consumer>`, with its payload unchanged.
public struct DeadLetterOrigin: Sendable, Equatable {
    public var subject: String
    public var sequence: UInt64
    /// Nanoseconds since 1970.
    public var storedAt: Int64
    /// How often it had been delivered.
    public var deliveryCount: UInt32
    /// At most 255 bytes.
    public var reason: String

    public init(subject: String, sequence: UInt64, storedAt: Int64, deliveryCount: UInt32, reason: String) {
        self.subject = subject
        self.sequence = sequence
        self.storedAt = storedAt
        self.deliveryCount = deliveryCount
        self.reason = reason
    }
}
