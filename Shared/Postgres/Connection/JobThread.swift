// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    @preconcurrency import Glibc
#else
    import Darwin
#endif

/// A thread that runs blocking work in order, so that Swift's cooperative pool never blocks.
///
/// Ends after ``stop()`` once the work handed in before has run.
final class JobThread: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var jobs: [@Sendable () -> Void] = []
    private var isStopping = false

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

    /// Starts the thread; it holds on to this object until it ends.
    func start() {
        Self.detach { [self] in run() }
    }

    /// Runs `body` on a new thread of its own that nobody waits for.
    static func detach(_ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Box(body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        // libpq and decoding need little; the default of 8 MiB is address space only, but 512 KiB is honest.
        pthread_attr_setstacksize(&attributes, 512 << 10)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, box.toOpaque())
        // Without a thread nothing of this module can work, and there is nobody to tell: out of threads is out of memory.
        guard status == 0 else { fatalError("cannot create a thread: error \(status)") }
    }

    private final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// - Returns: false when the thread is stopping: `job` will not run.
    func submit(_ job: @escaping @Sendable () -> Void) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard !isStopping else { return false }
        jobs.append(job)
        pthread_cond_signal(condition)
        return true
    }

    func stop() {
        pthread_mutex_lock(mutex)
        isStopping = true
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    var isStopped: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return isStopping
    }

    /// For the thread itself: waits, and returns early with false when asked to stop.
    func pause(for duration: Duration) -> Bool {
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        let nanoseconds =
            Int64(deadline.tv_nsec) + duration.components.attoseconds / 1_000_000_000
        deadline.tv_sec += Int(duration.components.seconds + nanoseconds / 1_000_000_000)
        deadline.tv_nsec = Int(nanoseconds % 1_000_000_000)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isStopping {
            if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
        }
        return !isStopping
    }

    private func run() {
        while true {
            pthread_mutex_lock(mutex)
            while jobs.isEmpty, !isStopping { pthread_cond_wait(condition, mutex) }
            let work = jobs
            jobs.removeAll(keepingCapacity: true)
            let isLast = isStopping
            pthread_mutex_unlock(mutex)
            for job in work { job() }
            if isLast { return }
        }
    }
}
