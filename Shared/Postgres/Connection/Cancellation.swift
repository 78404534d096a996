// SPDX-License-Identifier: Apache-2.0
import CPQ

#if canImport(Glibc)
    @preconcurrency import Glibc
#else
    import Darwin
#endif

/// Makes sure that a request to cancel a job's statement reaches the server while that job runs, and never the next one's statement.
///
/// A job that is being cancelled ends only after the request has been answered.
final class Cancellation: @unchecked Sendable {
    /// libpq's description of what to cancel; freed with this object.
    final class Request: @unchecked Sendable {
        private let handle: OpaquePointer

        init(_ handle: OpaquePointer) { self.handle = handle }

        deinit { PQfreeCancel(handle) }

        /// Blocks until the server has taken the request. false: it could not be reached.
        func send() -> Bool {
            var message = [CChar](repeating: 0, count: 256)
            return PQcancel(handle, &message, Int32(message.count)) == 1
        }
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var lastJob: UInt64 = 0
    private var running: UInt64 = 0
    private var request: Request?
    private var requested: UInt64 = 0
    private var requestsUnderWay = 0

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    private func withLock<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    func newJob() -> UInt64 {
        withLock {
            lastJob += 1
            return lastJob
        }
    }

    /// On the connection's thread, before the job's first statement.
    func begin(_ job: UInt64, handle: OpaquePointer?) {
        let request = handle.flatMap { PQgetCancel($0) }.map { Request($0) }
        withLock {
            running = job
            self.request = request
        }
    }

    /// On the connection's thread, after the job's last statement.
    func end() {
        withLock {
            running = 0
            request = nil
            while requestsUnderWay > 0 { pthread_cond_wait(condition, mutex) }
        }
    }

    /// From any thread. nil: the job does not run (any more), or has no connection.
    func request(_ job: UInt64) -> Request? {
        withLock {
            guard running == job, let request else { return nil }
            requested = job
            requestsUnderWay += 1
            return request
        }
    }

    func finishRequest() {
        withLock {
            requestsUnderWay -= 1
            pthread_cond_broadcast(condition)
        }
    }

    func wasRequested(_ job: UInt64) -> Bool { withLock { requested == job } }
}
