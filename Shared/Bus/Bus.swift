// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// The message bus, whatever engine carries it.
///
/// Two planes. *Core*: at most once, in memory, to whoever listens now. *Streams*: a publish on a subject that a stream captures is
/// appended to its log; one that asks for an acknowledgement gets it after the log was synced to disk. One contract test suite
/// (`Tests/Integration/BusContract`) is what an engine has to pass.
///
/// Subjects are dot-separated tokens of UTF-8 without space or control characters; filters may use `*` (one token) and a last
/// `>` (one or more tokens).
public protocol Bus: Sendable {
    /// Hands one message to whoever subscribes now. Order per publisher and subject is kept.
    ///
    /// Suspends while the connection's outbound queue is above its high-water mark (policy: block the publisher).
    /// - Throws: ``BusError/disconnected`` when there is no connection now, ``BusError/permissionDenied`` (maybe later, on the log),
    ///   ``BusError/payloadTooLarge``, ``BusError/invalidSubject``.
    func publish(_ message: BusMessage) async throws(BusError)

    /// Publishes and waits until a stream has synced the message to disk.
    /// - Throws: also ``BusError/notCaptured`` when no stream captures the subject, ``BusError/budgetSpent``,
    ///   ``BusError/storageFailed``; ``BusError/disconnected`` when the connection broke before the answer: it may or may not be stored.
    func publishDurably(_ message: BusMessage) async throws(BusError) -> PublishReceipt

    /// As ``publishDurably(_:)`` without a task: `completion` is called once, on the connection's own thread.
    func publishDurably(
        _ message: BusMessage, completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void)

    /// Sends a request and waits for the first answer.
    /// - Throws: ``BusError/noResponders`` at once when nobody listens, ``BusError/timeout`` after `timeout`.
    func request(_ message: BusMessage, timeout: Duration) async throws(BusError) -> BusMessage

    /// Listens to a filter. With `queueGroup`, each message goes to one member of the group only.
    ///
    /// The subscription survives reconnects (messages of the time between are not replayed).
    /// Returns once the engine has confirmed it, so that what is published from then on is seen.
    func subscribe(_ filter: String, queueGroup: String?) async throws(BusError) -> any BusSubscription

    /// Creates the stream or brings its configuration to `configuration`.
    @discardableResult
    func declareStream(_ configuration: StreamConfiguration) async throws(BusError) -> StreamState

    /// - Throws: ``BusError/notFound``.
    func streamState(_ name: String) async throws(BusError) -> StreamState

    /// Reads from a stream through a durable consumer, which is created, or brought to `configuration`, first.
    ///
    /// Survives reconnects: delivery goes on behind the last acknowledged message; what was delivered and not acknowledged comes again.
    func consume(stream: String, _ configuration: ConsumerConfiguration) async throws(BusError) -> any BusConsumer

    /// - Throws: ``BusError/notFound``.
    func consumerState(stream: String, consumer: String) async throws(BusError) -> ConsumerState

    func deleteConsumer(stream: String, consumer: String) async throws(BusError)

    /// Reads stored messages in order without any consumer: for tools, resume by sequence, and inspection.
    /// - Returns: messages with `sequence >= from`, up to about `maximumBytes`; empty at the end of the stream.
    func read(stream: String, from sequence: UInt64, maximumBytes: Int) async throws(BusError) -> [StreamMessage]

    /// Connection changes as they happen; a cache that lives on events must be emptied at each `.connected`.
    func connectionEvents() -> AsyncStream<BusConnectionEvent>

    /// Flushes what is queued and closes.
    func close() async
}

/// One message of the core plane.
public struct BusMessage: Sendable, Equatable {
    public var subject: String
    /// Where an answer is expected.
    public var reply: String?
    public var headers: BusHeaders
    public var payload: ByteBuffer

    public init(subject: String, reply: String? = nil, headers: BusHeaders = BusHeaders(), payload: ByteBuffer) {
        self.subject = subject
        self.reply = reply
        self.headers = headers
        self.payload = payload
    }
}

/// The few headers that travel beside a payload.
public struct BusHeaders: Sendable, Equatable {
    /// At most 64 bytes. Within a stream's duplicate window a second publish with the same identifier is acknowledged with the first one's
    /// sequence number and not stored again.
    public var messageID: String?
    /// W3C Trace Context `traceparent`, 55 characters.
    public var traceparent: String?

    public init(messageID: String? = nil, traceparent: String? = nil) {
        self.messageID = messageID
        self.traceparent = traceparent
    }

    public var isEmpty: Bool { messageID == nil && traceparent == nil }
}

/// The proof that a message is on disk.
public struct PublishReceipt: Sendable, Equatable {
    public var sequence: UInt64
    /// True when the message identifier had been seen: `sequence` is the first one's.
    public var isDuplicate: Bool

    public init(sequence: UInt64, isDuplicate: Bool) {
        self.sequence = sequence
        self.isDuplicate = isDuplicate
    }
}

/// Messages of one core subscription, in batches: all that one read of the connection brought.
///
/// Buffered up to a limit in bytes (policy: when it is passed, the subscription ends with ``BusError/slowConsumer`` and the receiver decides).
public protocol BusSubscription: Sendable {
    var batches: AsyncThrowingStream<[BusMessage], any Error> { get }
    func cancel() async
}

public enum BusConnectionEvent: Sendable, Equatable {
    case connected
    case disconnected(reason: String)
}

/// Exhaustive on purpose: each transport maps every case.
public enum BusError: Error, Sendable, Equatable {
    case disconnected
    case timeout
    case noResponders
    case invalidSubject(String)
    case payloadTooLarge(limit: Int)
    case permissionDenied(String)
    /// No stream captures the subject, so nothing could be made durable.
    case notCaptured
    /// The stream's disk budget is spent, or the disk is full: nothing was stored; worth a retry after this many seconds.
    case budgetSpent(retryAfterSeconds: Int)
    /// Writing or syncing the log failed: nothing is acknowledged until it works again.
    case storageFailed(String)
    case slowConsumer
    case notFound(String)
    case invalidConfiguration(String)
    case protocolViolation(String)
    case closed
}
