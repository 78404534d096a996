// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where log lines go: a file descriptor, a line each, never interleaved.
///
/// A write blocks when the reader of the pipe does not read; that is the policy (nothing is lost, nothing piles up in memory).
public final class LogOutput: Sendable {
    public static let standardOutput = LogOutput(descriptor: STDOUT_FILENO)
    public static let standardError = LogOutput(descriptor: STDERR_FILENO)

    private let write: @Sendable (UnsafeRawBufferPointer) -> Void

    private init(descriptor: Int32) {
        let lock = Mutex<Void>(())
        let box = LockBox(lock)
        write = { bytes in box.withLock { Self.writeAll(bytes, to: descriptor) } }
    }

    /// For tests: `receive` gets each line, its newline included.
    public init(receive: @escaping @Sendable (String) -> Void) {
        write = { receive(String(decoding: $0, as: UTF8.self)) }
    }

    func write(line: [UInt8]) {
        line.withUnsafeBytes { write($0) }
    }

    /// True when the descriptor is a terminal.
    public static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) {
        var offset = 0
        while offset < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: offset), bytes.count - offset)
            if count > 0 {
                offset += count
            } else if count < 0, errno == EINTR {
                continue
            } else if count < 0, errno == EAGAIN {
                var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&poller, 1, 1_000)
            } else {
                // A log that cannot be written must not take the service with it.
                return
            }
        }
    }
}

/// A mutex that a closure can capture.
private final class LockBox: Sendable {
    private let mutex: Mutex<Void>

    init(_ mutex: consuming Mutex<Void>) { self.mutex = mutex }

    func withLock(_ body: () -> Void) {
        mutex.withLock { _ in body() }
    }
}
