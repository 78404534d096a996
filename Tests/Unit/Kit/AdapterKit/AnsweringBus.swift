// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Messaging
import NIOCore
import Synchronization

/// A bus on which the test answers the questions, tells the events and breaks the connection.
final class AnsweringBus: Bus, Sendable {
    typealias Answers = @Sendable (_ subject: String, _ request: Data) throws(BusError) -> any Encodable

    private struct State {
        var answers: Answers
        var subscriptions: [AsyncThrowingStream<[BusMessage], any Error>.Continuation] = []
        var connections: [AsyncStream<BusConnectionEvent>.Continuation] = []
        var requests: [String] = []
        var awaitedConnectionEvents = 0
    }

    private struct Subscription: BusSubscription {
        let batches: AsyncThrowingStream<[BusMessage], any Error>
        let continuation: AsyncThrowingStream<[BusMessage], any Error>.Continuation
        func cancel() async { continuation.finish() }
    }

    private struct Result<Value: Encodable>: Encodable { let result: Value }

    private let state: Mutex<State>

    init(_ answers: @escaping Answers) { state = Mutex(State(answers: answers)) }

    // MARK: The test's side

    /// Answers so from now on.
    func answer(_ answers: @escaping Answers) { state.withLock { $0.answers = answers } }

    /// Those who hear events now.
    var listeners: Int { state.withLock { $0.subscriptions.count } }

    /// How many connection events were asked for: those before the last have been dealt with.
    var awaitedConnectionEvents: Int { state.withLock { $0.awaitedConnectionEvents } }

    /// How often a question was put.
    func count(_ subject: String) -> Int { state.withLock { $0.requests.count { $0 == subject } } }

    func tell(_ events: [EntityEvent]) throws {
        let messages = try events.map { event in
            BusMessage(subject: event.subject, payload: ByteBuffer(bytes: try JSONEncoder().encode(event)))
        }
        for listener in state.withLock({ $0.subscriptions }) { listener.yield(messages) }
    }

    /// The connection broke and is there again, with all subscriptions.
    func reconnect() {
        for reader in state.withLock({ $0.connections }) {
            reader.yield(.disconnected(reason: "the test"))
            reader.yield(.connected)
        }
    }

    /// Whoever hears events is cut off.
    func cutOff() {
        let subscriptions = state.withLock { state in
            defer { state.subscriptions = [] }
            return state.subscriptions
        }
        for subscription in subscriptions { subscription.finish(throwing: BusError.slowConsumer) }
    }

    // MARK: Bus

    func request(_ message: BusMessage, timeout: Duration) async throws(BusError) -> BusMessage {
        let answers = state.withLock { state in
            state.requests.append(message.subject)
            return state.answers
        }
        let answer = try answers(message.subject, Data(message.payload.readableBytesView))
        func encoded(_ value: some Encodable) throws -> Data { try JSONEncoder().encode(Result(result: value)) }
        do {
            return BusMessage(subject: "inbox", payload: ByteBuffer(bytes: try encoded(answer)))
        } catch {
            throw .protocolViolation("\(error)")
        }
    }

    func subscribe(_ filter: String, queueGroup: String?) async throws(BusError) -> any BusSubscription {
        let (batches, continuation) = AsyncThrowingStream<[BusMessage], any Error>.makeStream()
        state.withLock { $0.subscriptions.append(continuation) }
        return Subscription(batches: batches, continuation: continuation)
    }

    func connectionEvents() -> AsyncStream<BusConnectionEvent> {
        let (events, continuation) = AsyncStream<BusConnectionEvent>.makeStream()
        state.withLock { $0.connections.append(continuation) }
        continuation.yield(.connected)
        return AsyncStream {
            self.state.withLock { $0.awaitedConnectionEvents += 1 }
            return await events.first { _ in true }
        }
    }

    func publish(_ message: BusMessage) async throws(BusError) { throw .closed }
    func publishDurably(_ message: BusMessage) async throws(BusError) -> PublishReceipt { throw .closed }
    func publishDurably(
        _ message: BusMessage, completion: @escaping @Sendable (Swift.Result<PublishReceipt, BusError>) -> Void
    ) { completion(.failure(.closed)) }
    func publishDurably(
        headers: BusHeaders, writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void,
        completion: @escaping @Sendable (Swift.Result<PublishReceipt, BusError>) -> Void
    ) { completion(.failure(.closed)) }
    func publishNow(
        headers: BusHeaders, writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void
    ) throws(BusError) { throw .closed }
    func declareStream(_ configuration: StreamConfiguration) async throws(BusError) -> StreamState { throw .closed }
    func streamState(_ name: String) async throws(BusError) -> StreamState { throw .closed }
    func consume(
        stream: String, _ configuration: ConsumerConfiguration
    ) async throws(BusError) -> any BusConsumer { throw .closed }
    func consumerState(stream: String, consumer: String) async throws(BusError) -> ConsumerState { throw .closed }
    func deleteConsumer(stream: String, consumer: String) async throws(BusError) { throw .closed }
    func read(
        stream: String, from sequence: UInt64, maximumBytes: Int
    ) async throws(BusError) -> [StreamMessage] { throw .closed }
    func close() async {}
}
