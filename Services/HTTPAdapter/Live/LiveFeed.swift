// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import NIOCore
import ServiceKit
import Synchronization

/// Follows the bus's stream of messages while anybody listens live, once for the whole process, and hands each event loop what it needs.
///
/// Read from the stream and not from the core plane: only there a message has its number, is on disk, and comes exactly once and in order. What is
/// published without an acknowledgement (MQTT QoS 0) is in the stream as well. Two readers: the *tail* is where the stream ends and waits for more; the
/// *catch-up* reads older messages for those who resume, all of them together, from where the one furthest behind is.
///
/// Memory: one answer of the bus (1 MiB) for each reader; the next is asked for when the event loops are done with it.
final class LiveFeed: Service, CustomStringConvertible {
    /// What a listener needs to know to join.
    struct Ticket {
        /// The tail's run that the listener has to wait for.
        let run: UInt64
        /// What the tail had looked at, without regard to this listener.
        let position: UInt64
    }

    private struct State {
        /// Listeners by channel, of all event loops.
        var interest: [ChannelID: Int] = [:]
        /// Counts how often the tail was begun.
        var run: UInt64 = 0
        var isRunning = false
        var position: UInt64 = 0
        /// By event loop: the least position of those who are behind and can take more.
        var behind: [Int: UInt64] = [:]
    }

    private static let readBytes = 1 << 20
    /// How long the bus may wait for a message; bounds how long the service takes to end.
    private static let wait: Duration = .milliseconds(500)

    let description = "live"
    private let bus: any Bus
    private let logger: Logger
    private let state = Mutex(State())
    private let loops = Mutex<[NIOLoopBound<LiveLoop>]>([])
    private let tailWake: AsyncStream<Void>.Continuation
    private let tailWakes: AsyncStream<Void>
    private let catchUpWake: AsyncStream<Void>.Continuation
    private let catchUpWakes: AsyncStream<Void>
    private let chunks = Atomic<UInt64>(0)

    init(bus: any Bus, logger: Logger) {
        self.bus = bus
        self.logger = logger
        (tailWakes, tailWake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (catchUpWakes, catchUpWake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Names the event loops, before ``run()``.
    func attach(_ loops: [NIOLoopBound<LiveLoop>]) { self.loops.withLock { $0 = loops } }

    /// Reads of older messages so far, for a counter.
    var catchUpReads: UInt64 { chunks.load(ordering: .relaxed) }

    // MARK: Called by the event loops

    /// Somebody begins to listen to a channel.
    func enter(_ channel: ChannelID) -> Ticket {
        let ticket = state.withLock { state in
            state.interest[channel, default: 0] += 1
            return Ticket(run: state.isRunning ? state.run : state.run + 1, position: state.position)
        }
        tailWake.yield()
        return ticket
    }

    func leave(_ channel: ChannelID) {
        state.withLock { state in
            guard let count = state.interest[channel] else { return }
            state.interest[channel] = count > 1 ? count - 1 : nil
        }
    }

    /// - Parameter position: the least of the event loop's listeners who are behind and can take more; nil: there are none.
    func setBehind(_ loop: Int, _ position: UInt64?) {
        let wakes = state.withLock { state in
            state.behind[loop] = position
            return position != nil
        }
        if wakes { catchUpWake.yield() }
    }

    // MARK: The readers

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { for await _ in self.tailWakes { await self.followTail() } }
                group.addTask { for await _ in self.catchUpWakes { await self.catchUp() } }
            }
        }
    }

    /// Runs as long as anybody listens.
    private func followTail() async {
        var backOff = BackOff()
        guard hasInterest, var position = await begin(&backOff) else { return }
        while !Task.isCancelled {
            if endIfIdle() { return }
            do throws(BusError) {
                let batch = try await bus.read(
                    stream: Streams.messages, from: position + 1, maximumBytes: Self.readBytes, waitingUpTo: Self.wait)
                backOff.reset()
                if batch.isEmpty {
                    // Nothing came in time. Numbers that were given and lost, or that were given again, must not be waited for.
                    let last = try await bus.streamState(Streams.messages).lastSequence
                    guard last != position else { continue }
                    let again = try await bus.read(
                        stream: Streams.messages, from: position + 1, maximumBytes: Self.readBytes)
                    if again.isEmpty {
                        await hand(
                            LiveBatch(
                                messages: [], through: last, gap: LiveGap(after: position, next: last + 1)))
                        position = last
                    } else {
                        position = await hand(again, behind: position)
                    }
                } else {
                    position = await hand(batch, behind: position)
                }
            } catch {
                logger.warning("the stream cannot be followed", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
        state.withLock { $0.isRunning = false }
    }

    private var hasInterest: Bool { state.withLock { !$0.interest.isEmpty } }

    /// - Returns: where the stream ends; nil when nobody waits any more.
    private func begin(_ backOff: inout BackOff) async -> UInt64? {
        while !Task.isCancelled, hasInterest {
            do throws(BusError) {
                let position = try await bus.streamState(Streams.messages).lastSequence
                let run = state.withLock { state in
                    state.run += 1
                    state.isRunning = true
                    state.position = position
                    return state.run
                }
                await onLoops { $0.began(run: run, position: position) }
                return position
            } catch {
                logger.warning("the stream cannot be followed", metadata: ["error": "\(error)"])
                await onLoops { $0.cannotBegin(error) }
                try? await Task.sleep(for: backOff.next())
            }
        }
        return nil
    }

    private func endIfIdle() -> Bool {
        state.withLock { state in
            guard state.interest.isEmpty else { return false }
            state.isRunning = false
            return true
        }
    }

    private func hand(_ batch: [StreamMessage], behind position: UInt64) async -> UInt64 {
        guard let first = batch.first?.sequence, let through = batch.last?.sequence else { return position }
        let gap = first > position + 1 ? LiveGap(after: position, next: first) : nil
        await hand(LiveBatch(messages: [], through: through, gap: gap), selecting: batch)
        return through
    }

    private func hand(_ batch: LiveBatch, selecting stored: [StreamMessage] = []) async {
        // In one step: who enters later knows by the position that this batch was not for them.
        let interest = state.withLock { state in
            state.position = batch.through
            return state.interest
        }
        var batch = batch
        batch.messages = select(stored, interest)
        await onLoops { [batch] in $0.deliver(batch) }
    }

    private func select(_ stored: [StreamMessage], _ interest: [ChannelID: Int]) -> [LiveMessage] {
        stored.compactMap { message in
            var subject = message.subject
            let channel = subject.withUTF8 { Subjects.parseMessages(UnsafeRawBufferPointer($0))?.channel }
            guard let channel, interest[channel] != nil else { return nil }
            return LiveMessage(message)
        }
    }

    /// Serves those who are behind until nobody is.
    private func catchUp() async {
        var backOff = BackOff()
        while !Task.isCancelled, let least = state.withLock({ $0.behind.values.min() }) {
            do throws(BusError) {
                var chunk = try await bus.read(
                    stream: Streams.messages, from: least + 1, maximumBytes: Self.readBytes)
                chunks.wrappingAdd(1, ordering: .relaxed)
                var end: UInt64 = 0
                if chunk.isEmpty {
                    end = try await bus.streamState(Streams.messages).lastSequence
                    if end > least {
                        chunk = try await bus.read(
                            stream: Streams.messages, from: least + 1, maximumBytes: Self.readBytes)
                    }
                }
                backOff.reset()
                guard let first = chunk.first?.sequence, let through = chunk.last?.sequence else {
                    await onLoops { [end] in $0.caughtUp(from: least, end: end) }
                    continue
                }
                let batch = LiveBatch(
                    messages: select(chunk, state.withLock { $0.interest }), through: through,
                    gap: first > least + 1 ? LiveGap(after: least, next: first) : nil)
                await onLoops { $0.catchUp(batch, from: least) }
            } catch {
                logger.warning("older messages cannot be read", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
    }

    /// Runs `body` on every event loop, and returns when all have done so: what they are handed never piles up.
    private func onLoops(_ body: @escaping @Sendable (LiveLoop) -> Void) async {
        let done = loops.withLock { $0 }.map { loop in loop.eventLoop.submit { body(loop.value) } }
        // A loop that has ended serves nobody any more.
        for future in done { try? await future.get() }
    }
}
