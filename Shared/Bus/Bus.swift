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

    /// As ``publishDurably(_:)`` without a task: `completion` is called once, on the connection's own thread or, for what is refused before
    /// anything was sent, on the caller's before this returns.
    ///
    /// Never suspends: ``BusError/overloaded`` when too much is queued or in flight. `completion` must not block; it may publish.
    func publishDurably(
        _ message: BusMessage, completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void)

    /// As ``publishDurably(_:completion:)`` for the hottest paths: subject and payload are written straight into the outgoing buffer.
    ///
    /// - Parameters:
    ///   - writeSubject: appends the subject's bytes, which are then validated like any subject.
    ///   - writePayload: appends the payload. Both closures may only append, and run at once, at most once, under the connection's lock:
    ///     calling the bus from them deadlocks.
    func publishDurably(
        headers: BusHeaders, writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void,
        completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void)

    /// As ``publishDurably(headers:writeSubject:writePayload:completion:)`` without headers, on a subject that was checked before.
    func publishDurably(
        _ subject: BusSubject, writePayload: (inout ByteBuffer) -> Void,
        completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void)

    /// As ``publish(_:)`` without a task, for code on an event loop: never suspends.
    /// - Throws: as ``publish(_:)``, and ``BusError/overloaded`` when too much is queued.
    func publishNow(
        headers: BusHeaders, writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void
    ) throws(BusError)

    /// As ``publishNow(headers:writeSubject:writePayload:)`` for many at once: all of them or none, in their order. The batch is empty afterwards if it was
    /// taken.
    /// - Throws: as ``publish(_:)``, and ``BusError/overloaded`` when too much is queued.
    func publishNow(_ batch: inout PublishBatch) throws(BusError)

    /// Whether there is room for what can wait as well.
    ///
    /// - Throws: what ``publishNow(_:)`` would, and ``BusError/overloaded`` already when so much is queued that ``publish(_:)`` suspends: what waits is to
    ///   wait where it came from.
    func checkPublishNow() throws(BusError)

    /// Sends a request and waits for the first answer; `message.reply` is set by the engine.
    ///
    /// A task that is cancelled gives up waiting as if the time were over.
    /// - Throws: ``BusError/noResponders`` at once when nobody listens, ``BusError/timeout`` after `timeout`, ``BusError/disconnected`` when
    ///   there is no connection or it broke before the answer, ``BusError/overloaded`` with too many requests under way.
    func request(_ message: BusMessage, timeout: Duration) async throws(BusError) -> BusMessage

    /// Listens to a filter. With `queueGroup`, each message goes to one member of the group only.
    ///
    /// The subscription survives reconnects (messages of the time between are not replayed).
    /// Returns once the engine has confirmed it, so that what is published from then on is seen; without a connection it waits for one.
    /// A cancelled task gives up with ``BusError/disconnected``.
    ///
    /// It ends when it is cancelled, or when both the subscription and its `batches` are no longer referenced.
    func subscribe(_ filter: String, queueGroup: String?) async throws(BusError) -> any BusSubscription

    /// Creates the stream or brings its configuration to `configuration`.
    @discardableResult
    func declareStream(_ configuration: StreamConfiguration) async throws(BusError) -> StreamState

    /// - Throws: ``BusError/notFound``.
    func streamState(_ name: String) async throws(BusError) -> StreamState

    /// Reads from a stream through a durable consumer, which is created, or brought to `configuration`, first.
    ///
    /// Survives reconnects: delivery goes on behind the last acknowledged message; what was delivered and not acknowledged comes again.
    /// Waits for a connection, and ends, like ``subscribe(_:queueGroup:)``; also with ``BusError/takenOver`` once another reader, here
    /// or in another process, reads through the same consumer.
    func consume(stream: String, _ configuration: ConsumerConfiguration) async throws(BusError) -> any BusConsumer

    /// - Throws: ``BusError/notFound``.
    func consumerState(stream: String, consumer: String) async throws(BusError) -> ConsumerState

    func deleteConsumer(stream: String, consumer: String) async throws(BusError)

    /// Reads stored messages in order without any consumer: for tools, resume by sequence, and inspection.
    /// - Returns: messages with `sequence >= from`, up to about `maximumBytes`; empty at the end of the stream.
    func read(stream: String, from sequence: UInt64, maximumBytes: Int) async throws(BusError) -> [StreamMessage]

    /// As ``read(stream:from:maximumBytes:)``; at the end of the stream it waits for the next synced message, at most about `wait`.
    ///
    /// Read again and again from behind the last message, it follows a stream live: each message once, in order, as soon as it is synced, and
    /// never more in memory than one answer. A task that is cancelled waits all the same: keep `wait` short (at most 10 s count).
    func read(
        stream: String, from sequence: UInt64, maximumBytes: Int, waitingUpTo wait: Duration
    ) async throws(BusError) -> [StreamMessage]

    /// As ``read(stream:from:maximumBytes:waitingUpTo:)``, of one stream and no other, and without what nobody needs.
    ///
    /// - Parameters:
    ///   - id: the stream that is meant; nil: whichever has the name now.
    ///   - origin: messages whose headers name it are left out: a publisher that has delivered what it publishes need not get it again. A wait may then end
    ///     with nothing but a new position. nil: none are left out.
    /// - Throws: ``BusError/notFound`` also when the stream of that name is another one than `id`.
    func read(
        stream: String, id: StreamID?, from sequence: UInt64, maximumBytes: Int, waitingUpTo wait: Duration,
        withoutOrigin origin: UInt64?
    ) async throws(BusError) -> StreamRead

    /// Connection changes as they happen, beginning with `.connected` when there is a connection now.
    ///
    /// `.connected` comes after every subscription and consumer is in force again, so a cache that lives on events must be emptied at each
    /// `.connected` and may be filled from then on. Of a reader that does not keep up only the newest 16 events are kept.
    func connectionEvents() -> AsyncStream<BusConnectionEvent>

    /// Sends what is queued, waits a bounded time for the answers to durable publishes, and closes. Subscriptions end without an error.
    func close() async
}

extension Bus {
    /// For an engine that sends one by one: a throw leaves the batch as it was, though some of it may have been sent.
    public func publishNow(_ batch: inout PublishBatch) throws(BusError) {
        for message in batch.messages {
            try publishNow(
                headers: message.headers, writeSubject: { $0.writeString(message.subject) },
                writePayload: { $0.writeImmutableBuffer(message.payload) })
        }
        batch.removeAll()
    }

    /// For an engine that cannot tell.
    public func checkPublishNow() throws(BusError) {}

    public func publishDurably(
        _ subject: BusSubject, writePayload: (inout ByteBuffer) -> Void,
        completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) {
        publishDurably(
            headers: BusHeaders(), writeSubject: { $0.writeBytes(subject.bytes) }, writePayload: writePayload,
            completion: completion)
    }

    /// For an engine that hands everything over: it looks at the stream once more behind each read.
    public func read(
        stream: String, id: StreamID?, from sequence: UInt64, maximumBytes: Int, waitingUpTo wait: Duration,
        withoutOrigin origin: UInt64?
    ) async throws(BusError) -> StreamRead {
        let all = try await read(
            stream: stream, from: sequence, maximumBytes: maximumBytes, waitingUpTo: wait)
        if let id, try await streamState(stream).id != id { throw .notFound("stream \(stream) \(id)") }
        let messages = origin == nil ? all : all.filter { $0.headers.origin != origin }
        return StreamRead(
            messages: messages, through: all.last?.sequence ?? max(sequence, 1) - 1,
            passedOver: all.count - messages.count)
    }

    /// For an engine that cannot wait by itself: looks every 10 ms.
    public func read(
        stream: String, from sequence: UInt64, maximumBytes: Int, waitingUpTo wait: Duration
    ) async throws(BusError) -> [StreamMessage] {
        let deadline = ContinuousClock.now + wait
        while true {
            let messages = try await read(stream: stream, from: sequence, maximumBytes: maximumBytes)
            guard messages.isEmpty, ContinuousClock.now < deadline, !Task.isCancelled else { return messages }
            try? await Task.sleep(for: .milliseconds(10))
        }
    }
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
    /// 1 to 64 bytes of UTF-8 (``BusError/invalidConfiguration(_:)`` otherwise). Within a stream's duplicate window a second publish with the same identifier is acknowledged with the first one's
    /// sequence number and not stored again.
    public var messageID: String?
    /// W3C Trace Context `traceparent`, 55 characters.
    public var traceparent: String?
    /// A number that a publisher chose for itself: who reads a stream may leave out what came from there.
    public var origin: UInt64?

    /// On a dead letter: what it was before. Set by the bus; ignored on what is published.
    public var deadLetter: DeadLetterOrigin? {
        get {
            guard case .some(let origin) = deadLetterOrigin else { return nil }
            return origin
        }
        set { deadLetterOrigin = newValue.map { .some($0) } ?? .none }
    }
    private var deadLetterOrigin = IndirectOrigin.none

    /// Behind a pointer: few messages are dead letters, and headers are copied with every message.
    private indirect enum IndirectOrigin: Sendable, Equatable {
        case none
        case some(DeadLetterOrigin)
    }

    public init(messageID: String? = nil, traceparent: String? = nil, origin: UInt64? = nil) {
        self.messageID = messageID
        self.traceparent = traceparent
        self.origin = origin
    }

    /// Whether there is nothing to send beside the payload.
    public var isEmpty: Bool { messageID == nil && traceparent == nil && origin == nil }
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

/// Messages of one core subscription, in batches: all that came since the last one was taken.
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
    /// Too much is queued or in flight on this connection: nothing was sent; worth a retry in a moment.
    case overloaded
    /// The receiver did not keep up with what it subscribed to, and was cut off.
    case slowConsumer
    /// Another reader began to read through the same durable consumer.
    case takenOver
    case notFound(String)
    case invalidConfiguration(String)
    case protocolViolation(String)
    /// ``Bus/close()`` was called.
    case closed
}
