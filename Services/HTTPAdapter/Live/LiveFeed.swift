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
        /// Counts how often the tail was begun, and the stream anew: positions of one run mean nothing in another.
        var run: UInt64 = 0
        var isRunning = false
        /// Of the last run.
        var stream: StreamID?
        var position: UInt64 = 0
        /// By event loop: the least position of those who are behind and can take more.
        var behind: [Int: UInt64] = [:]
    }

    private static let readBytes = 1 << 20

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
            return state.isRunning
                ? Ticket(run: state.run, position: state.position) : Ticket(run: state.run + 1, position: 0)
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
        var tail = StreamTail(of: Streams.messages, on: bus)
        while !Task.isCancelled, !endIfIdle() {
            do throws(BusError) {
                guard let step = try await tail.next() else { break }
                switch step {
                case .began(let position):
                    let run = beginRun(at: position)
                    await onLoops { $0.began(run: run, position: position.sequence) }
                case .messages(let span):
                    for piece in span.pieces { await hand(piece) }
                case .idle: break
                case .beganAnew(let position, _):
                    logger.warning("the stream began anew")
                    let run = beginRun(at: position)
                    await onLoops { $0.beganAnew(run: run, position: position.sequence) }
                }
            } catch {
                logger.warning("the stream cannot be followed", metadata: ["error": "\(error)"])
                if !state.withLock({ $0.isRunning }) { await onLoops { $0.cannotBegin(error) } }
            }
        }
        state.withLock { $0.isRunning = false }
    }

    /// - Returns: the number of the run.
    private func beginRun(at position: StreamPosition) -> UInt64 {
        state.withLock { state in
            state.run += 1
            state.isRunning = true
            state.stream = position.stream
            state.position = position.sequence
            return state.run
        }
    }

    private func endIfIdle() -> Bool {
        state.withLock { state in
            guard state.interest.isEmpty else { return false }
            state.isRunning = false
            return true
        }
    }

    private func hand(_ piece: StreamSpan.Piece) async {
        // In one step: who enters later knows by the position that this batch was not for them.
        let interest = state.withLock { state in
            state.position = piece.through
            return state.interest
        }
        let batch = LiveBatch(piece, messages: select(piece.messages, interest))
        await onLoops { $0.deliver(batch) }
    }

    private func select(_ stored: ArraySlice<StreamMessage>, _ interest: [ChannelID: Int]) -> [LiveMessage] {
        stored.compactMap { message in
            var subject = message.subject
            let channel = subject.withUTF8 { Subjects.parseMessages(UnsafeRawBufferPointer($0))?.channel }
            guard let channel, interest[channel] != nil else { return nil }
            return LiveMessage(message)
        }
    }

    /// What the catch-up reads next.
    private struct Backlog {
        let run: UInt64
        let stream: StreamID
        let least: UInt64
    }

    private var backlog: Backlog? {
        state.withLock { state in
            guard let stream = state.stream, let least = state.behind.values.min() else { return nil }
            return Backlog(run: state.run, stream: stream, least: least)
        }
    }

    /// Serves those who are behind until nobody is.
    private func catchUp() async {
        var backOff = BackOff()
        while !Task.isCancelled, let backlog {
            do throws(BusError) {
                let (span, end) = try await read(backlog)
                backOff.reset()
                let run = backlog.run
                var least = backlog.least
                if span.messages.isEmpty { await onLoops { [least] in $0.caughtUp(from: least, end: end, run: run) } }
                for piece in span.pieces where !piece.messages.isEmpty {
                    let batch = LiveBatch(piece, messages: select(piece.messages, state.withLock { $0.interest }))
                    await onLoops { [least] in $0.catchUp(batch, from: least, run: run) }
                    least = piece.through
                }
            } catch {
                logger.warning("older messages cannot be read", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
    }

    /// - Returns: what lies behind the one who is furthest behind, and, when that is nothing, where the stream ends.
    private func read(_ backlog: Backlog) async throws(BusError) -> (StreamSpan, end: UInt64) {
        var end: UInt64 = 0
        var found = try await chunk(backlog)
        if found.messages.isEmpty {
            let state = try await bus.streamState(Streams.messages)
            guard state.id == backlog.stream else { throw .notFound(Streams.messages) }
            end = state.lastSequence
            if end > backlog.least { found = try await chunk(backlog) }
        }
        return (
            StreamSpan(
                after: backlog.least, end: StreamPosition(stream: backlog.stream, sequence: found.through),
                messages: found.messages), end
        )
    }

    private func chunk(_ backlog: Backlog) async throws(BusError) -> StreamRead {
        chunks.wrappingAdd(1, ordering: .relaxed)
        return try await bus.read(
            stream: Streams.messages, id: backlog.stream, from: backlog.least &+ 1, maximumBytes: Self.readBytes,
            waitingUpTo: .zero, withoutOrigin: nil)
    }

    /// Runs `body` on every event loop, and returns when all have done so: what they are handed never piles up.
    private func onLoops(_ body: @escaping @Sendable (LiveLoop) -> Void) async {
        let done = loops.withLock { $0 }.map { loop in loop.eventLoop.submit { body(loop.value) } }
        // A loop that has ended serves nobody any more.
        for future in done { try? await future.get() }
    }
}
