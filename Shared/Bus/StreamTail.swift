// SPDX-License-Identifier: Apache-2.0
import Core

/// Follows a stream live, without a consumer: each message once, in order, as soon as it is synced, and what is missing between them.
///
///     var tail = StreamTail(of: Streams.messages, on: bus)
///     while !Task.isCancelled {
///         do throws(BusError) {
///             guard let step = try await tail.next() else { return }
///             await handle(step)
///         } catch {
///             // The next call waits before it tries again.
///             logger.warning("the stream cannot be followed", metadata: ["error": "\(error)"])
///         }
///     }
///
/// Never more in memory than one answer of the bus: the next is asked for when the one before was handled.
public struct StreamTail: Sendable {
    public enum Start: Sendable {
        /// Only what is synced from now on.
        case end
        /// What was followed before is gone on with, if that stream is still there; another one is followed from its beginning.
        case behind(StreamPosition)
    }

    /// `began` comes first and once, the others in any order behind it.
    public enum Step: Sendable, Equatable {
        /// From here on nothing is missed.
        case began(StreamPosition)
        case messages(StreamSpan)
        /// Nothing came in time.
        case idle
        /// Numbers that were given are given again: the log was lost, and another stream is followed from its beginning; or it was cut back (a backup), and
        /// is followed from its end.
        ///
        /// - Parameter former: what had been followed before.
        case beganAnew(StreamPosition, former: StreamPosition)
    }

    private let bus: any Bus
    private let stream: String
    private let start: Start
    private let wait: Duration
    private let readBytes: Int
    private let origin: UInt64?
    private var position: StreamPosition?
    private var hasFailed = false
    private var backOff: BackOff

    /// - Parameters:
    ///   - wait: how long the bus may wait for a message: a task that is cancelled ends after so long at the latest. At most 10 s.
    ///   - readBytes: how much is read at once, about; at most 1 MiB.
    ///   - origin: whose messages are left out (``BusHeaders/origin``); nil: nobody's.
    ///   - backOff: the pauses behind a failure.
    public init(
        of stream: String, on bus: any Bus, from start: Start = .end, wait: Duration = .milliseconds(500),
        readBytes: Int = 1 << 20, withoutOrigin origin: UInt64? = nil, backOff: BackOff = BackOff()
    ) {
        self.bus = bus
        self.stream = stream
        self.start = start
        self.wait = wait
        self.readBytes = readBytes
        self.origin = origin
        self.backOff = backOff
    }

    /// What comes next; nil: the task was cancelled.
    ///
    /// After a throw nothing is lost: the next call pauses, and goes on where this one was.
    /// - Throws: what the bus does; ``BusError/notFound`` also when the stream is another one than before, which the next call then says.
    public mutating func next() async throws(BusError) -> Step? {
        if hasFailed { try? await Task.sleep(for: backOff.next()) }
        guard !Task.isCancelled else { return nil }
        do throws(BusError) {
            let step = try await step()
            hasFailed = false
            backOff.reset()
            return step
        } catch {
            hasFailed = true
            throw error
        }
    }

    private mutating func step() async throws(BusError) -> Step {
        guard let position else { return .began(try await begin()) }
        // What broke the connection may have taken the log with it.
        if hasFailed, let step = anew(try await bus.streamState(stream), position) { return step }
        let found = try await read(behind: position, wait)
        if found.through > position.sequence { return advance(to: found, from: position) }
        // Nothing came in time. Numbers that were given and lost, or are given again, must not be waited for.
        let state = try await bus.streamState(stream)
        if let step = anew(state, position) { return step }
        guard state.lastSequence > position.sequence else { return .idle }
        var late = try await read(behind: position, .zero)
        if late.through <= position.sequence { late.through = state.lastSequence }
        return advance(to: late, from: position)
    }

    private mutating func begin() async throws(BusError) -> StreamPosition {
        let state = try await bus.streamState(stream)
        let sequence: UInt64 =
            switch start {
            case .end: state.lastSequence
            case .behind(let kept) where kept.stream == state.id: min(kept.sequence, state.lastSequence)
            case .behind: 0
            }
        let position = StreamPosition(stream: state.id, sequence: sequence)
        self.position = position
        return position
    }

    private mutating func anew(_ state: StreamState, _ former: StreamPosition) -> Step? {
        let isSame = state.id == former.stream
        guard !isSame || state.lastSequence < former.sequence else { return nil }
        let position = StreamPosition(stream: state.id, sequence: isSame ? state.lastSequence : 0)
        self.position = position
        return .beganAnew(position, former: former)
    }

    private func read(behind position: StreamPosition, _ wait: Duration) async throws(BusError) -> StreamRead {
        try await bus.read(
            stream: stream, id: position.stream, from: position.sequence &+ 1, maximumBytes: readBytes,
            waitingUpTo: wait, withoutOrigin: origin)
    }

    private mutating func advance(to found: StreamRead, from former: StreamPosition) -> Step {
        let position = StreamPosition(stream: former.stream, sequence: found.through)
        self.position = position
        return .messages(
            StreamSpan(
                after: former.sequence, end: position, messages: found.messages, passedOver: found.passedOver))
    }
}
