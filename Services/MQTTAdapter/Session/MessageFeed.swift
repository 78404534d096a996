// SPDX-License-Identifier: Apache-2.0
import Bus
import Logging
import Messaging
import NIOCore
import ServiceKit
import Synchronization

/// Follows the bus's stream of messages while anybody subscribes, and hands it to the broker batch by batch.
///
/// Read from the stream and not from the core plane: only there a message comes exactly once, in order, is on disk, and has a number by which a session that
/// outlives the process goes on. Memory: one answer of the bus; the next is asked for when the broker is done with it.
final class MessageFeed: Service, CustomStringConvertible {
    let description = "feed"
    private let bus: any Bus
    /// What has this origin was published here, and has been delivered.
    private let instance: UInt64
    private let logger: Logger
    private let broker = Mutex<NIOLoopBound<Broker>?>(nil)
    /// Where to begin; nil: at the end.
    private let position = Mutex<StreamPosition?>(nil)
    private let wakes: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    init(bus: any Bus, instance: UInt64, logger: Logger) {
        self.bus = bus
        self.instance = instance
        self.logger = logger
        (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Names the broker, before ``run()``.
    func attach(_ broker: NIOLoopBound<Broker>) { self.broker.withLock { $0 = broker } }

    /// Begins behind what an earlier process has followed, instead of at the end.
    func resume(at position: StreamPosition) { self.position.withLock { $0 = position } }

    func wake() { waker.yield() }

    func run() async throws {
        guard let broker = broker.withLock({ $0 }) else { return }
        await cancelWhenGracefulShutdown {
            for await _ in self.wakes { await self.follow(broker) }
        }
    }

    /// Runs as long as anybody subscribes.
    private func follow(_ broker: NIOLoopBound<Broker>) async {
        let kept = position.withLock { $0 }
        var tail = StreamTail(
            of: Streams.messages, on: bus, from: kept.map { .behind($0) } ?? .end, withoutOrigin: instance)
        while !Task.isCancelled, await on(broker, { $0.wantsFeed }) == true {
            do throws(BusError) {
                guard let step = try await tail.next() else { break }
                switch step {
                case .began(let start):
                    if let kept, kept.stream != start.stream {
                        logger.warning("the stream is another than before: sessions begin at its start")
                    }
                    position.withLock { $0 = nil }
                    _ = await on(broker) { $0.feedBegan(at: start) }
                case .messages(let span): await hand(span, broker)
                case .idle: break
                case .beganAnew(let start, _):
                    logger.warning("the stream began anew")
                    _ = await on(broker) { $0.streamBeganAnew(at: start) }
                }
            } catch {
                logger.warning("the stream cannot be followed", metadata: ["error": "\(error)"])
            }
        }
        _ = await on(broker) { $0.feedEnded() }
    }

    private func hand(_ span: StreamSpan, _ broker: NIOLoopBound<Broker>) async {
        // A loop that has ended serves nobody any more.
        try? await broker.eventLoop.flatSubmit {
            if span.missing > 0 { broker.value.missed(span.missing, through: span.end.sequence) }
            return broker.value.deliver(span.messages, through: span.end)
        }.get()
    }

    private func on<Value: Sendable>(
        _ broker: NIOLoopBound<Broker>, _ body: @escaping @Sendable (Broker) -> Value
    ) async -> Value? {
        try? await broker.eventLoop.submit { body(broker.value) }.get()
    }
}
