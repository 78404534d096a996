// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Logging
import Messaging
import NIOCore
import Observability
import Synchronization

/// What goes to one remote: follows the stream of messages through a durable consumer, which is the queue, and acknowledges a message to it when the remote
/// has acknowledged it.
final class Outbound: Sendable {
    /// What the bus delivers ahead of what the remote has acknowledged.
    private static let consumerMessages = 4_096
    private static let consumerBytes = 16 << 20
    /// The bus delivers again what was not acknowledged for a day; before that reading begins anew, so that what waits here does not pile up.
    private static let longestWait: Duration = .seconds(3_600)
    private struct Stalled: Error {}
    /// How long what is on its way may take to be acknowledged when the service ends.
    private static let drainLimit: Duration = .seconds(5)

    private let remote: Remote
    private let rights: [MappingRight]
    private let bus: any Bus
    private let echoes: EchoMemory?
    private let metrics: RemoteMetrics
    private let status: ConnectionStatus
    private let inbox: ClientInbox
    private let clock: WallClock
    private let logger: Logger
    private let state: Mutex<State>

    private struct State {
        var window: OutgoingWindow
        var consumer: (any BusConsumer)?
        /// Up to here messages are on their way or done.
        var position: UInt64 = 0
        /// Up to here messages are given up, as the queue is full.
        var skipThrough: UInt64 = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    init(
        _ remote: Remote, rights: [MappingRight], bus: any Bus, echoes: EchoMemory?, metrics: RemoteMetrics,
        status: ConnectionStatus, inbox: ClientInbox, clock: WallClock, logger: Logger
    ) {
        self.remote = remote
        self.rights = rights
        self.bus = bus
        self.echoes = echoes
        self.metrics = metrics
        self.status = status
        self.inbox = inbox
        self.clock = clock
        self.logger = logger
        state = Mutex(State(window: OutgoingWindow(maximumMessages: remote.maximumInFlight)))
    }

    /// Follows the stream until the task is cancelled; then waits a moment for what is on its way.
    func run() async {
        guard let start = await startSequence() else { return }
        let configuration = ConsumerConfiguration(
            name: remote.consumerName, startSequence: start,
            maximumUnacknowledgedMessages: Self.consumerMessages, maximumUnacknowledgedBytes: Self.consumerBytes,
            acknowledgeWaitMilliseconds: 86_400_000, maximumDeliveries: 0)
        await StreamConsumer(bus: bus, stream: Streams.messages, configuration, logger: logger).run { consumer in
            try await begin(consumer)
            for try await batch in consumer.batches {
                for message in batch { try await take(message, consumer) }
            }
        }
        let end = ContinuousClock.now + Self.drainLimit
        while !state.withLock({ $0.window.isEmpty }), status.health.state == .up, ContinuousClock.now < end {
            // The task is cancelled: a pause of its own.
            await Task { try? await Task.sleep(for: .milliseconds(20)) }.value
        }
    }

    /// A new consumer begins with what is published from now on; nil when cancelled.
    private func startSequence() async -> UInt64? {
        var backOff = BackOff()
        while !Task.isCancelled {
            do throws(BusError) {
                return try await bus.streamState(Streams.messages).lastSequence + 1
            } catch {
                logger.warning("the stream cannot be asked for", metadata: [LogKey.error: "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
        return nil
    }

    private func begin(_ consumer: any BusConsumer) async throws {
        let position = try await bus.consumerState(stream: Streams.messages, consumer: remote.consumerName)
            .acknowledgedThrough
        let first = consumer.stream.firstSequence
        state.withLock { state in
            // In the same stream, what this process has looked at stays looked at.
            if state.window.stream != consumer.stream.id {
                state.position = 0
                state.skipThrough = 0
            }
            state.window.begin(consumer.stream.id)
            state.consumer = consumer
            state.position = max(state.position, position)
        }
        if position > 0, first > position + 1 { lost(from: position + 1, through: first - 1, "deleted") }
        logger.info("following the stream", metadata: [LogKey.sequence: "\(position + 1)"])
    }

    private func lost(from first: UInt64, through last: UInt64, _ reason: String) {
        metrics.lostBy(reason).increment(by: last - first + 1)
        logger.error(
            "messages are not sent to the remote broker: the queue does not have them any more",
            metadata: ["from": "\(first)", "to": "\(last)", LogKey.reason: "\(reason)"])
    }

    // MARK: A message

    private func take(_ message: StreamMessage, _ consumer: any BusConsumer) async throws {
        let (isOnItsWay, isDone) = state.withLock {
            ($0.window.contains(message.sequence), message.sequence <= $0.position)
        }
        // What comes again because the connection to the bus broke, or the bus did not get to keep what it was told.
        if isOnItsWay { return }
        if isDone { return consumer.acknowledge(message.sequence) }
        let view: RawMessageView
        do throws(RawMessageError) {
            view = try RawMessageView(decoding: message.payload)
        } catch {
            metrics.refused(.sending, error.reason)
            return pass(message, consumer)
        }
        if view.mqtt?.session == remote.mark {
            metrics.echoesOut.increment()
            return pass(message, consumer)
        }
        let copies = copies(of: view)
        guard !copies.isEmpty else { return pass(message, consumer) }
        let begin = ContinuousClock.now
        while true {
            try Task.checkCancellation()
            if state.withLock({ message.sequence <= $0.skipThrough }) {
                metrics.lostBy("queue-full").increment()
                return pass(message, consumer)
            }
            if start(copies, of: view, message.sequence) { return }
            guard ContinuousClock.now - begin < Self.longestWait else { throw Stalled() }
            await waitForRoom()
        }
    }

    private func pass(_ message: StreamMessage, _ consumer: any BusConsumer) {
        state.withLock { $0.position = max($0.position, message.sequence) }
        consumer.acknowledge(message.sequence)
    }

    private func copies(of view: RawMessageView) -> [(topic: String, mapping: OutMapping)] {
        var copies: [(String, OutMapping)] = []
        var refusal: String?
        for (mapping, right) in zip(remote.outgoing, rights) {
            let isOfChannel = mapping.channel.channel == .identifier(view.channel)
            switch right.state {
            case .granted(let grant):
                guard grant.channel == view.channel,
                    let topic = mapping.topic(
                        subtopic: view.subtopic, channel: view.channel, publisher: view.publisher)
                else { continue }
                // A template that became an empty text, or one that the remote would take for a filter.
                guard let pattern = try? TopicPattern(topic), pattern.wildcards == 0 else {
                    metrics.refused(.sending, "topic")
                    continue
                }
                copies.append((topic, mapping))
            case .refused(let error): if isOfChannel { refusal = error.reason }
            case .unknown: continue
            }
        }
        if copies.isEmpty, let refusal { metrics.refused(.sending, refusal) }
        return copies
    }

    /// - Returns: false when there is no room for it.
    private func start(
        _ copies: [(topic: String, mapping: OutMapping)], of view: RawMessageView, _ sequence: UInt64
    ) -> Bool {
        let payload = ByteBuffer(bytes: view.payload.readableBytesView)
        let tokens = state.withLock { state -> [UInt64]? in
            guard state.window.hasRoom else { return nil }
            state.position = max(state.position, sequence)
            return state.window.add(sequence, parts: copies.count, bytes: payload.readableBytes)
        }
        guard let tokens else { return false }
        metrics.inFlight.set(Double(state.withLock { $0.window.count }))
        for (copy, token) in zip(copies, tokens) {
            echoes?.sent(copy.topic, payload)
            inbox.append(
                OutgoingMessage(
                    token: token, topic: copy.topic, payload: payload, qos: copy.mapping.qos,
                    retain: copy.mapping.retain, contentType: view.contentType.mediaType))
        }
        return true
    }

    // MARK: Waiting

    private func waitForRoom() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    if state.window.hasRoom || Task.isCancelled { return true }
                    state.waiter = continuation
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            wake()
        }
    }

    private func wake() {
        state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }?.resume()
    }

    // MARK: The queue

    /// How long the queue is; where the stream fills up because of it, its oldest are given up.
    ///
    /// - Parameter percent: of the stream's budget.
    func watch(percent: Int) async {
        while !Task.isCancelled {
            if let stream = try? await bus.streamState(Streams.messages) {
                let (position, oldest) = state.withLock { ($0.position, Self.held($0)) }
                let lag = stream.lastSequence - min(position, stream.lastSequence)
                metrics.lag.set(Double(lag))
                let held = stream.lastSequence - min(oldest, stream.lastSequence)
                let kept = stream.lastSequence + 1 - min(stream.firstSequence, stream.lastSequence + 1)
                // A remote that is there works the queue off, and is given half of what is left.
                let share = status.health.state == .up ? (100 + percent) / 2 : percent
                let isFull = Double(stream.bytes) * 100 > Double(stream.configuration.maximumBytes) * Double(share)
                // Only where it is this queue that holds the stream: another reader may be further behind.
                if percent < 100, isFull, held > 0, held >= kept / 2 {
                    giveUp(through: oldest + max(1, held / 4), of: held)
                }
            }
            wake()
            try? await Task.sleep(for: .seconds(2))
        }
    }

    /// Up to here nothing is held back.
    private static func held(_ state: State) -> UInt64 {
        let inFlight = state.window.sequences(in: state.skipThrough.saturatingSuccessor...UInt64.max).min()
        return max(state.skipThrough, inFlight.map { $0 - 1 } ?? state.position)
    }

    /// What is on its way is acknowledged to the stream as well: the library still has it, and sends it if this process lives so long.
    private func giveUp(through last: UInt64, of count: UInt64) {
        let (consumer, inFlight) = state.withLock { state in
            let first = state.skipThrough.saturatingSuccessor
            state.skipThrough = max(state.skipThrough, last)
            return (state.consumer, first <= last ? state.window.sequences(in: first...last) : [])
        }
        logger.error(
            "the stream is filling up with what waits for the remote broker: the oldest is given up",
            metadata: ["through": "\(last)", LogKey.count: "\(count)"])
        for sequence in inFlight { consumer?.acknowledge(sequence) }
    }
}

extension UInt64 {
    fileprivate var saturatingSuccessor: UInt64 { self == .max ? self : self + 1 }
}

extension Outbound: RemoteClientDelegate {
    var batchLimit: Int { 1 }

    func changed(_ state: RemoteState) { status.changed(state) }

    /// This client subscribes to nothing: what comes all the same is not acknowledged.
    func take(_ messages: [ReceivedMessage]) -> Bool { messages.allSatisfy { $0.qos == .atMostOnce } }

    func subscriptionRefused(_ filter: String, _ reason: String) {}

    func settled(_ message: OutgoingMessage, _ outcome: PublishOutcome) {
        echoes?.settled(message.topic, message.payload, at: clock.now())
        let (end, consumer, count) = state.withLock { state in
            (state.window.settle(message.token, outcome), state.consumer, state.window.count)
        }
        metrics.inFlight.set(Double(count))
        switch outcome {
        case .delivered: metrics.forwarded.increment()
        case .refused(let reason):
            metrics.refused(.sending, "remote: \(reason)")
            logger.warning("the remote broker refuses a message", metadata: [LogKey.reason: "\(reason)"])
        }
        switch end {
        case .acknowledge(let sequence): consumer?.acknowledge(sequence)
        case .giveUp(let sequence, let reason):
            consumer?.giveUp(sequence, reason: "\(remote.name): \(reason)")
        case nil: break
        }
        wake()
    }
}
