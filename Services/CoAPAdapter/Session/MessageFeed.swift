// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import ServiceKit
import Synchronization

/// Follows the bus's stream of messages while anybody observes, and hands what they want to the gateway batch by batch.
///
/// Read from the stream and not from the core plane: only there a message comes exactly once, in order, and is on disk. Memory: one answer of the bus (1 MiB);
/// the next is asked for when the gateway is done with it.
final class MessageFeed: Service, CustomStringConvertible {
    /// What the gateway is handed.
    struct Batch: Sendable {
        /// Those of channels that somebody observes, in order.
        var messages: [ObservedMessage]
        /// Everything up to here has been looked at.
        var through: UInt64
        /// Numbers that were not there.
        var missing: UInt64
    }

    /// Whether an observer can be served from now on.
    enum Entry: Sendable {
        /// What is behind this number comes.
        case running(UInt64)
        /// ``Events/feedBegan(at:)`` tells when.
        case starting
    }

    /// What the feed tells the gateway; each returns when the gateway is done with it.
    protocol Events: Sendable {
        func feedBegan(at position: UInt64) async
        func feedCannotBegin(_ error: BusError) async
        func deliver(_ batch: Batch) async
    }

    private struct State {
        /// Observers by channel.
        var interest: [ChannelID: Int] = [:]
        /// nil: the stream is not followed.
        var position: UInt64?
        var events: (any Events)?
    }

    private static let readBytes = 1 << 20
    /// How long the bus may wait for a message; bounds how long the service takes to end.
    private static let wait: Duration = .milliseconds(500)

    let description = "feed"
    private let bus: any Bus
    private let logger: Logger
    private let state = Mutex(State())
    private let wakes: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    init(bus: any Bus, logger: Logger) {
        self.bus = bus
        self.logger = logger
        (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Names the gateway, before anybody enters.
    func attach(_ events: any Events) { state.withLock { $0.events = events } }

    /// Somebody begins to observe a channel.
    func enter(_ channel: ChannelID) -> Entry {
        let position = state.withLock { state in
            state.interest[channel, default: 0] += 1
            return state.position
        }
        guard let position else {
            waker.yield()
            return .starting
        }
        return .running(position)
    }

    func leave(_ channel: ChannelID) {
        state.withLock { state in
            guard let count = state.interest[channel] else { return }
            state.interest[channel] = count > 1 ? count - 1 : nil
        }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in self.wakes { await self.follow() }
        }
    }

    private var hasInterest: Bool { state.withLock { !$0.interest.isEmpty } }
    private var events: (any Events)? { state.withLock { $0.events } }

    /// Runs as long as anybody observes.
    private func follow() async {
        var backOff = BackOff()
        guard var position = await begin(&backOff) else { return }
        while !Task.isCancelled, !endIfIdle() {
            do throws(BusError) {
                let found = try await bus.read(
                    stream: Streams.messages, from: position + 1, maximumBytes: Self.readBytes, waitingUpTo: Self.wait)
                backOff.reset()
                if let through = found.last?.sequence {
                    await hand(found, through, &position)
                    continue
                }
                // Nothing came in time. Numbers that were given and lost, or a stream that began anew, must not be waited for.
                let last = try await bus.streamState(Streams.messages).lastSequence
                guard last != position else { continue }
                let again = try await bus.read(
                    stream: Streams.messages, from: position + 1, maximumBytes: Self.readBytes)
                await hand(again, again.last?.sequence ?? last, &position)
            } catch {
                logger.warning("the stream cannot be followed", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
        state.withLock { $0.position = nil }
    }

    private func begin(_ backOff: inout BackOff) async -> UInt64? {
        while !Task.isCancelled, hasInterest {
            do throws(BusError) {
                let position = try await bus.streamState(Streams.messages).lastSequence
                state.withLock { $0.position = position }
                await events?.feedBegan(at: position)
                return position
            } catch {
                logger.warning("the stream cannot be followed", metadata: ["error": "\(error)"])
                await events?.feedCannotBegin(error)
                try? await Task.sleep(for: backOff.next())
            }
        }
        return nil
    }

    private func endIfIdle() -> Bool {
        state.withLock { state in
            guard state.interest.isEmpty else { return false }
            state.position = nil
            return true
        }
    }

    private func hand(_ found: [StreamMessage], _ through: UInt64, _ position: inout UInt64) async {
        // In one step: who enters later knows by the position that this batch was not for them.
        let interest = state.withLock { state in
            state.position = through
            return state.interest
        }
        // A stream that was cut back gives numbers again.
        let looked = through > position ? through - position : 0
        let missing = looked - min(looked, UInt64(found.count))
        position = through
        let messages = found.compactMap { ObservedMessage($0, interest) }
        guard !messages.isEmpty || missing > 0 else { return }
        await events?.deliver(Batch(messages: messages, through: through, missing: missing))
    }
}
