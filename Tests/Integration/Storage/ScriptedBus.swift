// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import NIOCore
import Synchronization

/// A stream whose deliveries the test decides: the transport's double, with the log's contents real. Everything but the stream is refused.
final class ScriptedBus: Bus, Sendable {
    private struct State {
        var identifier = StreamID.new()
        var log: [UInt64: StreamMessage] = [:]
        var corrupt: [UInt64] = []
        var firstSequence: UInt64 = 1
        var lastSequence: UInt64 = 0
        var readers: [ScriptedConsumer] = []
        var acknowledged: UInt64 = 0
        var delivers = true
    }

    private let state = Mutex(State())

    // MARK: The test's side

    /// Appends to the stream and, unless deliveries are held back, delivers.
    @discardableResult
    func append(_ payloads: [ByteBuffer], subject: String = "channels.test") -> ClosedRange<UInt64> {
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

    /// Delivers these again, or for the first time, to every reader.
    func deliver(_ sequences: ClosedRange<UInt64>) {
        let (messages, readers) = state.withLock { state in (sequences.compactMap { state.log[$0] }, state.readers) }
        for reader in readers { reader.deliver(messages) }
    }

    /// Delivers to one of the readers only, as a consumer that two processes share does.
    func deliver(_ sequences: ClosedRange<UInt64>, toReader index: Int) {
        let (messages, reader) = state.withLock { state in
            (sequences.compactMap { state.log[$0] }, state.readers[index])
        }
        reader.deliver(messages)
    }

    func holdDeliveries() { state.withLock { $0.delivers = false } }

    /// The record is lost to corruption.
    func lose(_ sequence: UInt64) {
        state.withLock { state in
            state.log[sequence] = nil
            state.corrupt.append(sequence)
        }
    }

    /// Retention has deleted everything up to here.
    func delete(through sequence: UInt64) {
        state.withLock { state in
            state.log = state.log.filter { $0.key > sequence }
            state.firstSequence = sequence + 1
        }
    }

    /// A crash cut a torn tail: the next numbers are never used.
    func skip(_ count: UInt64) { state.withLock { $0.lastSequence += count } }

    /// The log was lost and begun anew: the readers end.
    func beginAnew() {
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
    func disconnect() {
        let readers = state.withLock { state in
            defer { state.readers = [] }
            return state.readers
        }
        for reader in readers { reader.end(BusError.disconnected) }
    }

    var acknowledged: UInt64 { state.withLock { $0.acknowledged } }
    var readers: Int { state.withLock { $0.readers.count } }
    var identifier: StreamID { state.withLock { $0.identifier } }

    fileprivate func acknowledge(through sequence: UInt64) {
        state.withLock { $0.acknowledged = max($0.acknowledged, min(sequence, $0.lastSequence)) }
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

    func consume(stream: String, _ configuration: ConsumerConfiguration) async throws(BusError) -> any BusConsumer {
        let (consumer, backlog) = state.withLock { state in
            let consumer = ScriptedConsumer(bus: self, stream: Self.streamState(state))
            state.readers.append(consumer)
            let backlog = state.delivers ? state.log.values.filter { $0.sequence > state.acknowledged } : []
            return (consumer, backlog.sorted { $0.sequence < $1.sequence })
        }
        consumer.deliver(backlog)
        return consumer
    }

    func read(stream: String, from sequence: UInt64, maximumBytes: Int) async throws(BusError) -> [StreamMessage] {
        state.withLock { state in
            Array(state.log.values.filter { $0.sequence >= sequence }.sorted { $0.sequence < $1.sequence }.prefix(100))
        }
    }

    func streamState(_ name: String) async throws(BusError) -> StreamState { state.withLock { Self.streamState($0) } }

    func publish(_ message: BusMessage) async throws(BusError) { throw .closed }
    func publishDurably(_ message: BusMessage) async throws(BusError) -> PublishReceipt { throw .closed }
    func publishDurably(
        _ message: BusMessage, completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) { completion(.failure(.closed)) }
    func publishDurably(
        headers: BusHeaders, writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void,
        completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) { completion(.failure(.closed)) }
    func publishNow(
        headers: BusHeaders, writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void
    ) throws(BusError) { throw .closed }
    func request(_ message: BusMessage, timeout: Duration) async throws(BusError) -> BusMessage { throw .closed }
    func subscribe(_ filter: String, queueGroup: String?) async throws(BusError) -> any BusSubscription {
        throw .closed
    }
    func declareStream(_ configuration: StreamConfiguration) async throws(BusError) -> StreamState { throw .closed }
    func consumerState(stream: String, consumer: String) async throws(BusError) -> ConsumerState { throw .closed }
    func deleteConsumer(stream: String, consumer: String) async throws(BusError) { throw .closed }
    func connectionEvents() -> AsyncStream<BusConnectionEvent> { AsyncStream { $0.finish() } }
    func close() async {}
}

final class ScriptedConsumer: BusConsumer, Sendable {
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

    func acknowledge(_ sequence: UInt64) { acknowledge(through: sequence) }
    func acknowledge(through sequence: UInt64) { bus.acknowledge(through: sequence) }
    func reject(_ sequence: UInt64, redeliverAfter: Duration) {}
    func giveUp(_ sequence: UInt64, reason: String) {}
    func cancel() async { continuation.finish() }
}
