// SPDX-License-Identifier: Apache-2.0
import CCoAP
import Glibc
import Synchronization

/// What other threads want of an endpoint's thread: they append and wake it.
///
/// Bounded by its users: an answer for each request under way, one batch of the stream, one change for each observation.
final class EndpointInbox: Sendable {
    typealias Job = @Sendable () -> Void

    private struct State {
        var jobs: [Job] = []
        var isStopping = false
        var isClosed = false
        var thread: pthread_t?
    }

    private let state = Mutex(State())
    let descriptor: Int32

    /// - Throws: when the system has no descriptor left.
    init() throws(EndpointError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard descriptor >= 0 else { throw EndpointError("eventfd: no descriptor is left") }
    }

    deinit { Glibc.close(descriptor) }

    /// Runs the job on the endpoint's thread, in the order of the calls.
    ///
    /// - Returns: false when the thread has ended: the job never runs.
    @discardableResult
    func execute(_ job: @escaping Job) -> Bool {
        let (isTaken, isFirst) = state.withLock { state in
            guard !state.isClosed else { return (false, false) }
            state.jobs.append(job)
            return (true, state.jobs.count == 1)
        }
        if isFirst { wake() }
        return isTaken
    }

    /// As ``execute(_:)``; returns when the job is done, or at once when the thread has ended.
    func perform(_ job: @escaping Job) async {
        await withCheckedContinuation { continuation in
            let isTaken = execute {
                job()
                continuation.resume()
            }
            if !isTaken { continuation.resume() }
        }
    }

    /// As ``perform(_:)``, with what the job returns; nil when the thread has ended.
    func value<Value: Sendable>(_ job: @escaping @Sendable () -> Value) async -> Value? {
        await withCheckedContinuation { continuation in
            let isTaken = execute { continuation.resume(returning: job()) }
            if !isTaken { continuation.resume(returning: nil) }
        }
    }

    func takeJobs() -> [Job] {
        state.withLock { state in
            defer { state.jobs = [] }
            return state.jobs
        }
    }

    /// The last jobs; none is taken any more.
    func close() -> [Job] {
        state.withLock { state in
            state.isClosed = true
            defer { state.jobs = [] }
            return state.jobs
        }
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    func stop() {
        state.withLock { $0.isStopping = true }
        wake()
    }

    /// Called by the thread itself, first.
    func bindToCurrentThread() { state.withLock { $0.thread = pthread_self() } }

    var isCurrentThread: Bool { state.withLock { $0.thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false } }

    private func wake() {
        var one: UInt64 = 1
        // Fails only when the counter is about to overflow, and then the thread is awake.
        _ = write(descriptor, &one, 8)
    }

    func acknowledgeWakes() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}

/// What keeps an endpoint from starting.
struct EndpointError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
