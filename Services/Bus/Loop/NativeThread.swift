// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A POSIX thread, for loops that block in system calls and must not block Swift's concurrency pool.
final class NativeThread: @unchecked Sendable {
    private final class Work: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Set once in `init`, read by `join` only.
    private var handle = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let work = Unmanaged.passRetained(Work(body))
        let result = pthread_create(
            &handle, nil,
            { argument in
                if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, work.toOpaque())
        if result != 0 {
            work.release()
            throw SystemError("pthread_create", result)
        }
    }

    /// Waits until the thread has ended. Call once.
    func join() { pthread_join(handle, nil) }
}
