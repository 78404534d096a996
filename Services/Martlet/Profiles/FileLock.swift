// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A lock between processes (flock(2)); it goes with the process that holds it, so that a killed one leaves none behind.
final class FileLock: Sendable {
    private let descriptor: Int32

    /// Waits for whoever has it.
    ///
    /// - Parameter deadline: after which somebody hangs, and waiting longer would hang too.
    static func acquire(_ path: String, deadline: Duration = .seconds(60)) async throws -> FileLock {
        let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure.usage("cannot lock \(path): \(PrivateFile.systemError())")
        }
        // Closes the file also when waiting is cancelled.
        let lock = FileLock(descriptor)
        let end = ContinuousClock.now + deadline
        // Asked again and again: a call that blocks would hold a thread of the concurrency pool, and could not be cancelled.
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else {
                throw CommandFailure.usage("cannot lock \(path): \(PrivateFile.systemError())")
            }
            guard ContinuousClock.now < end else {
                throw CommandFailure(
                    .refused, "another martlet has held \(path) for \(deadline)",
                    advice: "end it, or wait for it, and try again")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        return lock
    }

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }
}
