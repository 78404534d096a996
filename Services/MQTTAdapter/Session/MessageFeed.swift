// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
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
    private static let readBytes = 1 << 20
    /// How long the bus may wait for a message; bounds how long the service takes to end.
    private static let wait: Duration = .milliseconds(500)

    let description = "feed"
    private let bus: any Bus
    /// What has this origin was published here, and has been delivered.
    private let instance: UInt64
    private let logger: Logger
    private let broker = Mutex<NIOLoopBound<Broker>?>(nil)
    private let position = Mutex<FollowedPosition?>(nil)
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
    func resume(at position: FollowedPosition) { self.position.withLock { $0 = position } }

    func wake() { waker.yield() }

    func run() async throws {
        guard let broker = broker.withLock({ $0 }) else { return }
        await cancelWhenGracefulShutdown {
            for await _ in self.wakes { await self.follow(broker) }
        }
    }

    /// Runs as long as anybody subscribes.
    private func follow(_ broker: NIOLoopBound<Broker>) async {
        var backOff = BackOff()
        guard var position = await begin(&backOff, broker) else { return }
        while !Task.isCancelled {
            guard await on(broker, { $0.wantsFeed }) == true else { break }
            do throws(BusError) {
                var found = try await bus.read(
                    stream: Streams.messages, from: position.sequence + 1, maximumBytes: Self.readBytes,
                    waitingUpTo: Self.wait, withoutOrigin: instance)
                backOff.reset()
                if found.through <= position.sequence {
                    // Nothing came in time. Numbers that were given and lost, or a stream that began anew, must not be waited for.
                    let state = try await bus.streamState(Streams.messages)
                    if state.id != position.stream {
                        logger.warning("the stream began anew")
                        position = FollowedPosition(stream: state.id, sequence: 0)
                        _ = await on(broker) { $0.streamBeganAnew() }
                        continue
                    }
                    guard state.lastSequence != position.sequence else { continue }
                    found = try await bus.read(
                        stream: Streams.messages, from: position.sequence + 1, maximumBytes: Self.readBytes,
                        waitingUpTo: .zero, withoutOrigin: instance)
                    if found.through <= position.sequence { found.through = state.lastSequence }
                }
                await hand(found, after: &position, broker)
            } catch {
                logger.warning("the stream cannot be followed", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
        _ = await on(broker) { $0.feedEnded() }
    }

    private func begin(_ backOff: inout BackOff, _ broker: NIOLoopBound<Broker>) async -> FollowedPosition? {
        while !Task.isCancelled, await on(broker, { $0.wantsFeed }) == true {
            do throws(BusError) {
                let state = try await bus.streamState(Streams.messages)
                let kept = position.withLock { position in
                    defer { position = nil }
                    return position
                }
                var position = FollowedPosition(stream: state.id, sequence: state.lastSequence)
                if let kept, kept.stream == state.id, kept.sequence < state.lastSequence { position = kept }
                if let kept, kept.stream != state.id {
                    logger.warning("the stream is another than before: sessions begin at its start")
                    position.sequence = 0
                }
                _ = await on(broker) { [position] in $0.feedBegan(at: position) }
                return position
            } catch {
                logger.warning("the stream cannot be followed", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
        return nil
    }

    private func hand(
        _ found: StreamRead, after position: inout FollowedPosition, _ broker: NIOLoopBound<Broker>
    ) async {
        let before = position.sequence
        position.sequence = found.through
        // A stream that was cut back gives numbers again.
        let looked = found.through > before ? found.through - before : 0
        let missing = looked - min(looked, UInt64(found.messages.count + found.passedOver))
        // A loop that has ended serves nobody any more.
        try? await broker.eventLoop.flatSubmit { [position] in
            if missing > 0 { broker.value.missed(missing, through: position.sequence) }
            return broker.value.deliver(found.messages, through: position)
        }.get()
    }

    private func on<Value: Sendable>(
        _ broker: NIOLoopBound<Broker>, _ body: @escaping @Sendable (Broker) -> Value
    ) async -> Value? {
        try? await broker.eventLoop.submit { body(broker.value) }.get()
    }
}
