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
        /// Numbers that were given are given again.
        func feedBeganAnew() async
        func deliver(_ batch: Batch) async
    }

    private struct State {
        /// Observers by channel.
        var interest: [ChannelID: Int] = [:]
        /// nil: the stream is not followed.
        var position: UInt64?
        var events: (any Events)?
    }

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

    /// Everything up to here has been looked at; nil: the stream is not followed.
    var position: UInt64? { state.withLock { $0.position } }

    private var events: (any Events)? { state.withLock { $0.events } }

    /// Runs as long as anybody observes.
    private func follow() async {
        var tail = StreamTail(of: Streams.messages, on: bus)
        var hasBegun = false
        while !Task.isCancelled, !endIfIdle() {
            do throws(BusError) {
                guard let step = try await tail.next() else { break }
                switch step {
                case .began(let start):
                    hasBegun = true
                    state.withLock { $0.position = start.sequence }
                    await events?.feedBegan(at: start.sequence)
                case .messages(let span): await hand(span)
                case .idle: break
                case .beganAnew(let start, _):
                    logger.warning("the stream began anew")
                    state.withLock { $0.position = start.sequence }
                    await events?.feedBeganAnew()
                }
            } catch {
                logger.warning("the stream cannot be followed", metadata: ["error": "\(error)"])
                if !hasBegun { await events?.feedCannotBegin(error) }
            }
        }
        state.withLock { $0.position = nil }
    }

    private func endIfIdle() -> Bool {
        state.withLock { state in
            guard state.interest.isEmpty else { return false }
            state.position = nil
            return true
        }
    }

    private func hand(_ span: StreamSpan) async {
        // In one step: who enters later knows by the position that this batch was not for them.
        let interest = state.withLock { state in
            state.position = span.end.sequence
            return state.interest
        }
        let messages = span.messages.compactMap { ObservedMessage($0, interest) }
        guard !messages.isEmpty || span.missing > 0 else { return }
        await events?.deliver(Batch(messages: messages, through: span.end.sequence, missing: span.missing))
    }
}
