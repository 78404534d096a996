// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// Delivered frames between the connection and one reader, undecoded: what is buffered is counted in the bytes that it really holds.
///
/// Policy: ``push(_:)`` refuses what passes the limit, and the connection decides what that means.
final class FrameQueue: Sendable {
    private struct State {
        var chunks: [ByteBuffer] = []
        var bytes = 0
        var end: Result<Void, BusError>?
        var waiters: [Int: CheckedContinuation<[ByteBuffer]?, any Error>] = [:]
        var nextWaiter = 0
        var subjects = SubjectTable()
    }

    /// What a buffer costs beside its capacity.
    private static let chunkOverhead = 64

    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: in bytes, of all that is buffered.
    init(limit: Int) { self.limit = limit }

    var bufferedBytes: Int { state.withLock { $0.bytes } }

    /// Adds whole frames.
    /// - Returns: false when they do not fit; they are not added then.
    func push(_ frames: ByteBuffer) -> Bool {
        let (accepted, waiter) = state.withLock { state -> (Bool, CheckedContinuation<[ByteBuffer]?, any Error>?) in
            guard state.end == nil else { return (true, nil) }
            if let waiter = state.waiters.popFirst() { return (true, waiter.value) }
            let last = state.chunks.count - 1
            if last >= 0, state.chunks[last].writableBytes >= frames.readableBytes {
                state.chunks[last].writeImmutableBuffer(frames)
                return (true, nil)
            }
            let cost = frames.capacity + Self.chunkOverhead
            guard state.bytes + cost <= limit else { return (false, nil) }
            state.bytes += cost
            state.chunks.append(frames)
            return (true, nil)
        }
        waiter?.resume(returning: [frames])
        return accepted
    }

    /// No more will come; what is buffered is read first.
    func finish(_ error: BusError?) {
        let waiters = state.withLock { state in
            if state.end == nil { state.end = error.map { .failure($0) } ?? .success(()) }
            defer { state.waiters.removeAll() }
            return Array(state.waiters.values)
        }
        for waiter in waiters {
            if let error { waiter.resume(throwing: error) } else { waiter.resume(returning: nil) }
        }
    }

    /// Discards what is buffered.
    func clear() {
        state.withLock { state in
            state.chunks.removeAll()
            state.bytes = 0
        }
    }

    /// All that is buffered, waiting for it to become something; nil at the end, or when the task is cancelled.
    func next() async throws -> [ByteBuffer]? {
        let identifier = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let immediately: Result<[ByteBuffer]?, any Error>? = state.withLock { state in
                    if !state.chunks.isEmpty {
                        defer {
                            state.chunks = []
                            state.bytes = 0
                        }
                        return .success(state.chunks)
                    }
                    switch state.end {
                    case .success: return .success(nil)
                    case .failure(let error): return .failure(error)
                    case nil: break
                    }
                    if Task.isCancelled { return .success(nil) }
                    state.waiters[identifier] = continuation
                    return nil
                }
                if let immediately { continuation.resume(with: immediately) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: identifier) }?.resume(returning: nil)
        }
    }

    /// Lends the reader's table of subjects for decoding a batch.
    func withSubjects<Output: Sendable>(_ body: (inout SubjectTable) -> Output) -> Output {
        var subjects = state.withLock { state in
            let subjects = state.subjects
            state.subjects = SubjectTable()
            return subjects
        }
        defer { state.withLock { [subjects] in $0.subjects = subjects } }
        return body(&subjects)
    }
}
