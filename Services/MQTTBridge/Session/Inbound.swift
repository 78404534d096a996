// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Dispatch
import Logging
import Messaging
import NIOCore
import Observability
import Synchronization

/// What one remote sends: into channels, acknowledged when the bus has it on disk.
final class Inbound: Sendable {
    /// Messages that are read before they are brought to safety together.
    private static let batch = 256
    /// As above, with a limit of messages a second: a batch then takes seconds, and the keep-alive must not pass.
    private static let limitedBatch = 16

    private let remote: Remote
    private let rights: [MappingRight]
    private let bus: any Bus
    private let policy: IngestPolicy
    private let isRateLimited: Bool
    private let echoes: EchoMemory?
    private let metrics: RemoteMetrics
    private let status: ConnectionStatus
    private let subscriptions: HealthCheck
    private let inbox: ClientInbox
    private let clock: WallClock
    private let logger: Logger
    private let state: Mutex<State>

    /// Of the client's thread.
    private struct State {
        var check = PayloadCheck()
        var identity = RedeliveryIdentity()
        /// Names messages of this process, so that the bus takes one for which it was asked twice only once.
        var nextNumber: UInt64 = 0
        let process = UInt64.random(in: .min ... .max)
        var refusedFilters: [String: String] = [:]
    }

    init(
        _ remote: Remote, rights: [MappingRight], bus: any Bus, policy: IngestPolicy, isRateLimited: Bool,
        echoes: EchoMemory?, metrics: RemoteMetrics, status: ConnectionStatus, subscriptions: HealthCheck,
        inbox: ClientInbox, clock: WallClock, logger: Logger
    ) {
        self.remote = remote
        self.rights = rights
        self.bus = bus
        self.policy = policy
        self.isRateLimited = isRateLimited
        self.echoes = echoes
        self.metrics = metrics
        self.status = status
        self.subscriptions = subscriptions
        self.inbox = inbox
        self.clock = clock
        self.logger = logger
        state = Mutex(State())
    }

    /// Subscribes to what may be published here, and gives back the rest.
    func updateSubscriptions() {
        var wanted: Set<RemoteSubscription> = []
        for (mapping, right) in zip(remote.incoming, rights) where right.grant != nil {
            wanted.insert(RemoteSubscription(filter: mapping.filter, qos: mapping.qos))
        }
        inbox.subscribe(to: wanted)
    }

    /// A message on its way to the bus.
    private struct Arrival {
        var message: RawMessage
        var headers: BusHeaders
    }
}

extension Inbound: RemoteClientDelegate {
    var batchLimit: Int { isRateLimited ? Self.limitedBatch : Self.batch }

    func changed(_ state: RemoteState) {
        if state == .connected {
            self.state.withLock { state in
                state.identity.reset()
                state.refusedFilters = [:]
            }
            subscriptions.set(.up)
        }
        status.changed(state)
    }

    func settled(_ message: OutgoingMessage, _ outcome: PublishOutcome) {}

    func subscriptionRefused(_ filter: String, _ reason: String) {
        let refused = state.withLock { state in
            state.refusedFilters[filter] = reason
            return state.refusedFilters
        }
        logger.error(
            "the remote broker refuses a subscription", metadata: ["filter": "\(filter)", LogKey.reason: "\(reason)"])
        let text = refused.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: "; ")
        subscriptions.set(.degraded("the remote broker refuses subscriptions: \(text)"))
    }

    func take(_ messages: [ReceivedMessage]) -> Bool {
        var arrivals: [Arrival] = []
        for message in messages {
            metrics.received.increment()
            guard let arrival = admit(message) else { continue }
            if message.qos == .atMostOnce {
                publishOnce(arrival)
            } else {
                arrivals.append(arrival)
            }
            if inbox.isStopping { return false }
        }
        return store(arrivals)
    }

    // MARK: What may come in

    /// nil: it goes no further, and is counted.
    private func admit(_ message: ReceivedMessage) -> Arrival? {
        guard let topic = message.topic else { return refuse("topic-utf8") }
        let now = clock.now()
        if message.origin == remote.clientID || echoes?.comesBack(topic, message.payload, at: now) == true {
            metrics.echoesIn.increment()
            return nil
        }
        guard let index = remote.incoming.firstIndex(where: { $0.pattern.match(topic) != nil }) else {
            return refuse("no-mapping")
        }
        let mapping = remote.incoming[index]
        switch rights[index].state {
        case .granted(let grant):
            do {
                return try arrival(message, topic, mapping, grant, at: now)
            } catch let error as ServiceError {
                return refuse(error.reason)
            } catch let error as PathError {
                return refuse(error.reason)
            } catch {
                return refuse("other")
            }
        case .refused(let error): return refuse(error.reason)
        case .unknown: return refuse("things-unavailable")
        }
    }

    private func refuse(_ reason: String) -> Arrival? {
        metrics.refused(.reading, reason)
        return nil
    }

    private func arrival(
        _ message: ReceivedMessage, _ topic: String, _ mapping: InMapping, _ grant: Grant, at now: Int64
    ) throws -> Arrival? {
        guard let subtopic = try mapping.subtopic(of: topic) else { return nil }
        try policy.checkSize(message.payload.readableBytes)
        try waitForRate(grant, message.qos)
        let contentType = try contentType(of: message, mapping, at: now)
        let raw = RawMessage(
            domain: grant.domain, channel: grant.channel, subtopic: subtopic, publisher: grant.thing, transport: .mqtt,
            contentType: contentType, created: now, payload: message.payload,
            mqtt: MQTTDetails(
                qos: UInt8(mapping.qos.rawValue), retain: message.retain, session: remote.mark))
        return Arrival(
            message: raw,
            headers: BusHeaders(messageID: name(message, topic, mapping, at: now)))
    }

    private func name(_ message: ReceivedMessage, _ topic: String, _ mapping: InMapping, at now: Int64) -> String {
        state.withLock { state in
            if mapping.qos == .exactlyOnce, message.qos != .atMostOnce {
                return state.identity.name(message, topic: topic, session: remote.clientID, at: now)
            }
            state.nextNumber += 1
            return "mb-\(String(state.process, radix: 16))-\(state.nextNumber)"
        }
    }

    /// QoS 1 and 2 wait until their turn comes: the remote keeps what is behind them.
    private func waitForRate(_ grant: Grant, _ qos: QoS) throws {
        while true {
            do throws(ServiceError) {
                return try policy.checkRate(grant)
            } catch {
                guard qos != .atMostOnce, !inbox.isStopping else { throw error }
                inbox.pause(.milliseconds(min(1_000, (error.retryAfterSeconds ?? 1) * 1_000)))
            }
        }
    }

    /// What is said to be SenML or JSON must be; what nobody says anything of is what it looks like.
    private func contentType(
        of message: ReceivedMessage, _ mapping: InMapping, at now: Int64
    ) throws -> ContentType {
        let stated = mapping.contentType ?? message.contentType.flatMap { ContentType(mediaType: $0) }
        return try state.withLock { state in
            if let stated {
                try state.check.check(message.payload, as: stated, receivedAt: now)
                return stated
            }
            return message.payload.withUnsafeReadableBytes { state.check.guess($0, receivedAt: now) }
        }
    }

    // MARK: The bus

    /// QoS 0: to whoever listens and into the stream; with the bus away it is gone.
    private func publishOnce(_ arrival: Arrival) {
        do throws(BusError) {
            try bus.publishNow(arrival.message, headers: arrival.headers)
            metrics.stored.increment()
        } catch {
            metrics.refused(.reading, ServiceError(publishing: error).reason)
        }
    }

    /// Until all of them are on disk, in their order; those that the bus refuses for good are counted.
    ///
    /// - Returns: false when the bridge ends before.
    private func store(_ arrivals: [Arrival]) -> Bool {
        var backOff = BackOff(base: .milliseconds(20), ceiling: .seconds(2))
        var rest = arrivals
        while !rest.isEmpty {
            if inbox.isStopping { return false }
            let results = publish(rest)
            var again: [Arrival] = []
            for (arrival, result) in zip(rest, results) {
                switch result {
                case .success(let receipt):
                    (receipt.isDuplicate ? metrics.duplicates : metrics.stored).increment()
                case .failure(let error):
                    if Self.isForGood(error) {
                        metrics.refused(.reading, ServiceError(publishing: error).reason)
                    } else {
                        again.append(arrival)
                    }
                }
            }
            rest = again
            if let first = results.first(where: { if case .failure = $0 { true } else { false } }), !rest.isEmpty {
                logger.warning(
                    "the bus does not take messages; trying again",
                    metadata: [LogKey.count: "\(rest.count)", LogKey.error: "\(first)"])
                inbox.pause(backOff.next())
            }
        }
        return true
    }

    private static func isForGood(_ error: BusError) -> Bool {
        switch error {
        case .invalidSubject, .payloadTooLarge: true
        case .disconnected, .timeout, .noResponders, .permissionDenied, .notCaptured, .budgetSpent, .storageFailed,
            .overloaded, .slowConsumer, .takenOver, .notFound, .invalidConfiguration, .protocolViolation, .closed:
            false
        }
    }

    /// One attempt for each, together; blocks this thread until the bus has answered all.
    private func publish(_ arrivals: [Arrival]) -> [Result<PublishReceipt, BusError>] {
        let answers = Answers(arrivals.count)
        for (index, arrival) in arrivals.enumerated() {
            bus.publishDurably(arrival.message, headers: arrival.headers) { answers.set($0, at: index) }
        }
        return answers.wait()
    }
}

/// The answers to a batch, for a thread that waits for all of them.
private final class Answers: Sendable {
    private let results: Mutex<[Result<PublishReceipt, BusError>]>
    private let left: Atomic<Int>
    private let done = DispatchSemaphore(value: 0)

    init(_ count: Int) {
        results = Mutex(Array(repeating: .failure(.disconnected), count: count))
        left = Atomic(count)
    }

    func set(_ result: Result<PublishReceipt, BusError>, at index: Int) {
        results.withLock { $0[index] = result }
        if left.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 { done.signal() }
    }

    func wait() -> [Result<PublishReceipt, BusError>] {
        done.wait()
        return results.withLock { $0 }
    }
}
