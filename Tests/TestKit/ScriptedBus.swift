// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import NIOCore
import Synchronization

/// A stream whose deliveries the test decides: the transport's double, with the log's contents real. Everything but the stream is refused.
///
/// It keeps every verdict of its readers, in order (``verdicts``).
public final class ScriptedBus: Bus, Sendable {
    /// What a reader said of a message.
    public enum Verdict: Sendable, Equatable {
        case acknowledged(UInt64)
        case acknowledgedThrough(UInt64)
        case rejected(UInt64)
        case givenUp(UInt64)
    }

    private struct State {
        var identifier = StreamID.new()
        var log: [UInt64: StreamMessage] = [:]
        var corrupt: [UInt64] = []
        var firstSequence: UInt64 = 1
        var lastSequence: UInt64 = 0
        var readers: [ScriptedConsumer] = []
        var acknowledged: UInt64 = 0
        var verdicts: [Verdict] = []
        var closed = 0
        var refusals = 0
        var delivers = true
    }

    private let state = Mutex(State())

    public init() {}

    // MARK: The test's side

    /// Appends to the stream and, unless deliveries are held back, delivers.
    @discardableResult
    public func append(_ payloads: [ByteBuffer], subject: String = "channels.test") -> ClosedRange<UInt64> {
        let messages = state.withLock { state in
            payloads.map { payload in
                state.lastSequence += 1
                let message = StreamMessage(
                    sequence: state.lastSequence, storedAt: WallClock.system.now(), deliveryCount: 1, subject: subject,
                    headers: BusHeaders(), payload: payload)
                state.log[message.sequence] = message
                return message
            }
        }
        let readers = state.withLock { $0.delivers ? $0.readers : [] }
        for reader in readers { reader.deliver(messages) }
        return (messages.first?.sequence ?? 1)...(messages.last?.sequence ?? 1)
    }

    /// Delivers these again, or for the first time, to every reader, as the delivery of this number.
    public func deliver(_ sequences: ClosedRange<UInt64>, count: UInt32 = 1) {
        let (messages, readers) = state.withLock { state in
            let messages = sequences.compactMap { sequence in
                state.log[sequence].map { message in
                    var message = message
                    message.deliveryCount = count
                    return message
                }
            }
            return (messages, state.readers)
        }
        for reader in readers { reader.deliver(messages) }
    }

    /// Delivers to one of the readers only, as a consumer that two processes share does.
    public func deliver(_ sequences: ClosedRange<UInt64>, toReader index: Int) {
        let (messages, reader) = state.withLock { state in
            (sequences.compactMap { state.log[$0] }, state.readers[index])
        }
        reader.deliver(messages)
    }

    /// The next readers find no connection.
    public func refuseReaders(_ count: Int) { state.withLock { $0.refusals = count } }

    public func holdDeliveries() { state.withLock { $0.delivers = false } }

    /// The record is lost to corruption.
    public func lose(_ sequence: UInt64) {
        state.withLock { state in
            state.log[sequence] = nil
            state.corrupt.append(sequence)
        }
    }

    /// Retention has deleted everything up to here.
    public func delete(through sequence: UInt64) {
        state.withLock { state in
            state.log = state.log.filter { $0.key > sequence }
            state.firstSequence = sequence + 1
        }
    }

    /// A crash cut a torn tail: the next numbers are never used.
    public func skip(_ count: UInt64) { state.withLock { $0.lastSequence += count } }

    /// The log was lost and begun anew: the readers end.
    public func beginAnew() {
        let readers = state.withLock { state in
            defer {
                state.identifier = StreamID.new()
                state.log = [:]
                state.corrupt = []
                state.firstSequence = 1
                state.lastSequence = 0
                state.acknowledged = 0
                state.readers = []
            }
            return state.readers
        }
        for reader in readers { reader.end(BusError.notFound("messages")) }
    }

    /// The connection breaks; whoever consumes again gets everything behind the acknowledged position again.
    public func disconnect() {
        let readers = state.withLock { state in
            defer { state.readers = [] }
            return state.readers
        }
        for reader in readers { reader.end(BusError.disconnected) }
    }

    public var acknowledged: UInt64 { state.withLock { $0.acknowledged } }
    /// How many readers were closed.
    public var closed: Int { state.withLock { $0.closed } }
    /// What all readers said, in order.
    public var verdicts: [Verdict] { state.withLock { $0.verdicts } }
    public var readers: Int { state.withLock { $0.readers.count } }
    public var identifier: StreamID { state.withLock { $0.identifier } }

    fileprivate func readerClosed() { state.withLock { $0.closed += 1 } }

    fileprivate func note(_ verdict: Verdict) {
        state.withLock { state in
            state.verdicts.append(verdict)
            switch verdict {
            case .acknowledged(let sequence), .acknowledgedThrough(let sequence):
                state.acknowledged = max(state.acknowledged, min(sequence, state.lastSequence))
            case .rejected, .givenUp: break
            }
        }
    }

    private static func streamState(_ state: State) -> StreamState {
        StreamState(
            configuration: StreamConfiguration(
                name: Streams.messages, subjects: [Subjects.allMessages], maximumBytes: 1 << 30),
            id: state.identifier, firstSequence: state.firstSequence, lastSequence: state.lastSequence, bytes: 0,
            corruptSequences: state.corrupt, corruptCount: UInt64(state.corrupt.count), consumers: [],
            isAccepting: true, refusalReason: nil)
    }

    // MARK: Bus

    public func consume(stream: String, _ configuration: ConsumerConfiguration) async throws(BusError)
        -> any BusConsumer
    {
        let isRefused = state.withLock { state in
            defer { state.refusals = max(0, state.refusals - 1) }
            return state.refusals > 0
        }
        guard !isRefused else { throw .disconnected }
        let (consumer, backlog) = state.withLock { state in
            let consumer = ScriptedConsumer(bus: self, stream: Self.streamState(state))
            state.readers.append(consumer)
            let backlog = state.delivers ? state.log.values.filter { $0.sequence > state.acknowledged } : []
            return (consumer, backlog.sorted { $0.sequence < $1.sequence })
        }
        consumer.deliver(backlog)
        return consumer
    }

    public func read(stream: String, from sequence: UInt64, maximumBytes: Int) async throws(BusError) -> [StreamMessage]
    {
        state.withLock { state in
            Array(state.log.values.filter { $0.sequence >= sequence }.sorted { $0.sequence < $1.sequence }.prefix(100))
        }
    }

    public func streamState(_ name: String) async throws(BusError) -> StreamState {
        state.withLock { Self.streamState($0) }
    }

    public func publish(_ message: BusMessage) async throws(BusError) { throw .closed }
    public func publishDurably(_ message: BusMessage) async throws(BusError) -> PublishReceipt { throw .closed }
    public func publishDurably(
        _ message: BusMessage, completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) { completion(.failure(.closed)) }
    public func publishDurably(
        headers: BusHeaders, writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void,
        completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) { completion(.failure(.closed)) }
    public func publishNow(
        headers: BusHeaders, writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void
    ) throws(BusError) { throw .closed }
    public func request(_ message: BusMessage, timeout: Duration) async throws(BusError) -> BusMessage { throw .closed }
    public func subscribe(_ filter: String, queueGroup: String?) async throws(BusError) -> any BusSubscription {
        throw .closed
    }
    public func declareStream(_ configuration: StreamConfiguration) async throws(BusError) -> StreamState {
        throw .closed
    }
    public func consumerState(stream: String, consumer: String) async throws(BusError) -> ConsumerState {
        throw .closed
    }
    public func deleteConsumer(stream: String, consumer: String) async throws(BusError) { throw .closed }
    public func connectionEvents() -> AsyncStream<BusConnectionEvent> { AsyncStream { $0.finish() } }
    public func close() async {}
}

private final class ScriptedConsumer: BusConsumer, Sendable {
    let stream: StreamState
    let batches: AsyncThrowingStream<[StreamMessage], any Error>
    private let bus: ScriptedBus
    private let continuation: AsyncThrowingStream<[StreamMessage], any Error>.Continuation

    fileprivate init(bus: ScriptedBus, stream: StreamState) {
        self.bus = bus
        self.stream = stream
        (batches, continuation) = AsyncThrowingStream.makeStream()
    }

    fileprivate func deliver(_ messages: [StreamMessage]) { continuation.yield(messages) }
    fileprivate func end(_ error: BusError) { continuation.finish(throwing: error) }

    func acknowledge(_ sequence: UInt64) { bus.note(.acknowledged(sequence)) }
    func acknowledge(through sequence: UInt64) { bus.note(.acknowledgedThrough(sequence)) }
    func reject(_ sequence: UInt64, redeliverAfter: Duration) { bus.note(.rejected(sequence)) }
    func giveUp(_ sequence: UInt64, reason: String) { bus.note(.givenUp(sequence)) }
    func cancel() async {
        continuation.finish()
        bus.readerClosed()
    }
}
