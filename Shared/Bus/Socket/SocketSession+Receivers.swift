// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import NIOCore
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Subscriptions, durable consumers and commands.
extension SocketSession {
    /// Enters a new receiver; the confirmation comes now or with a later connection.
    func add(_ receiver: Receiver, confirmation: CheckedContinuation<Result<Void, BusError>, Never>) {
        if phase == .closed || !closeWaiters.isEmpty { return confirmation.resume(returning: .failure(.closed)) }
        // Cancelled before it came here.
        if receiver.isEnded { return confirmation.resume(returning: .failure(.disconnected)) }
        receiver.confirmation = confirmation
        if case .subscription(let filter, nil) = receiver.kind { routes.add(receiver, filter: filter) }
        if phase == .connected {
            request(receiver)
        } else {
            let token = makeToken()
            receiver.token.store(token, ordering: .relaxed)
            receivers[token] = receiver
        }
    }

    /// Asks the bus for it, under a new token.
    func request(_ receiver: Receiver) {
        let token = makeToken()
        receiver.token.store(token, ordering: .relaxed)
        receivers[token] = receiver
        pending[token] = .receiver(receiver)
        switch receiver.kind {
        case .subscription(let filter, let queueGroup):
            // A valid filter has at most 1,024 bytes.
            sendControl(.subscribe, token: token, extra: UInt16(truncatingIfNeeded: filter.utf8.count)) { buffer in
                buffer.writeString(filter)
                buffer.writeString(queueGroup ?? "")
            }
        case .consumer(let stream, let configuration):
            sendJSON(.consume, token: token, Wire.Consume(stream: stream, consumer: configuration))
        }
    }

    func confirmed(_ receiver: Receiver, _ body: UnsafeRawBufferPointer) throws(BusError) {
        guard !receiver.isEnded else { return }
        if case .consumer(let stream, _) = receiver.kind {
            let state: StreamState
            do {
                state = try JSONDecoder().decode(StreamState.self, from: Data(body))
            } catch {
                throw .protocolViolation("a stream's state that cannot be read: \(error)")
            }
            let earlier = receiver.streamState.withLock { current in
                defer { current = state }
                return current
            }
            if let earlier, earlier.id != state.id {
                return remove(
                    receiver, .notFound("the log of stream \(stream) was lost and begun anew"), tellingBus: true)
            }
        }
        receiver.confirmation?.resume(returning: .success(()))
        receiver.confirmation = nil
    }

    /// Ends a receiver for good; its reader sees `error` behind what is buffered, or a plain end.
    func remove(_ receiver: Receiver, _ error: BusError?, tellingBus: Bool) {
        guard !receiver.isEnded else { return }
        let token = receiver.token.load(ordering: .relaxed)
        if receivers[token] === receiver {
            receivers[token] = nil
            pending[token] = nil
            if case .subscription(let filter, nil) = receiver.kind { routes.remove(receiver, filter: filter) }
            if tellingBus, phase == .connected { sendControl(.unsubscribe, token: token) }
        }
        if lastRoute?.token == token { lastRoute = nil }
        end(receiver, error)
        resuming.remove(token)
        establishIfResumed()
    }

    func end(_ receiver: Receiver, _ error: BusError?) {
        receiver.end()
        receiver.queue.finish(error)
        receiver.confirmation?.resume(returning: .failure(error ?? (phase == .closed ? .closed : .disconnected)))
        receiver.confirmation = nil
    }

    /// A reader does not keep up.
    func overflowed(_ receiver: Receiver) {
        switch receiver.kind {
        case .subscription(let filter, _):
            outgoing.withLock { $0.subscriptionsCutOff &+= 1 }
            logger.warning("a subscription does not keep up and ends", metadata: ["filter": "\(filter)"])
            remove(receiver, .slowConsumer, tellingBus: true)
        case .consumer(let stream, let consumer):
            // Beyond its window it can only hold what was delivered again and again, unread. Begun anew, it gets everything that is not
            // acknowledged, once.
            logger.warning(
                "a durable consumer does not read what it gets; it begins again",
                metadata: ["stream": "\(stream)", "consumer": "\(consumer.name)"])
            let token = receiver.token.load(ordering: .relaxed)
            receivers[token] = nil
            pending[token] = nil
            if lastRoute?.token == token { lastRoute = nil }
            receiver.queue.clear()
            if phase == .connected {
                sendControl(.unsubscribe, token: token)
                request(receiver)
            } else {
                receivers[token] = receiver
            }
        }
    }

    func send(
        _ command: Wire.Command, _ value: some Encodable & Sendable,
        completion: @escaping @Sendable (Result<ByteBuffer, BusError>) -> Void
    ) {
        switch phase {
        case .closed: return completion(.failure(.closed))
        case .waiting, .connecting, .handshaking: return completion(.failure(.disconnected))
        case .connected: break
        }
        guard pending.count < configuration.maximumRequestsInFlight else { return completion(.failure(.overloaded)) }
        let token = makeToken()
        pending[token] = .command(completion)
        sendJSON(.command, token: token, extra: command.rawValue, value)
    }

    // MARK: - Watching the connection

    func addObserver(_ observer: AsyncStream<BusConnectionEvent>.Continuation) {
        guard phase != .closed else { return observer.finish() }
        lastObserver += 1
        let identifier = lastObserver
        observers[identifier] = observer
        observer.onTermination = { _ in
            self.eventLoop.execute { self.observers[identifier] = nil }
        }
        if isEstablished { observer.yield(.connected) }
    }

    func addConnectionWaiter(
        timeout: Duration, _ waiter: CheckedContinuation<Result<Void, BusError>, Never>
    ) {
        if phase == .closed { return waiter.resume(returning: .failure(.closed)) }
        if isEstablished { return waiter.resume(returning: .success(())) }
        lastObserver += 1
        let identifier = lastObserver
        connectionWaiters[identifier] = waiter
        eventLoop.scheduleTask(in: TimeAmount(timeout)) {
            self.connectionWaiters.removeValue(forKey: identifier)?.resume(returning: .failure(.timeout))
        }
    }
}
