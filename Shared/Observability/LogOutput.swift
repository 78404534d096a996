// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
    import Glibc
    private let systemWrite = Glibc.write
#else
    import Darwin
    private let systemWrite = Darwin.write
#endif

/// Where log lines go: a file descriptor, a line each, never interleaved.
///
/// A write blocks when the reader of the pipe does not read; that is the policy (nothing is lost, nothing piles up in memory).
public final class LogOutput: Sendable {
    public static let standardOutput = LogOutput(descriptor: STDOUT_FILENO)
    public static let standardError = LogOutput(descriptor: STDERR_FILENO)

    private enum Sink {
        case descriptor(Int32)
        case receiver(@Sendable (String) -> Void)
    }

    private let sink: Sink
    /// Held during the write, so that lines of two threads never mix.
    private let writing = Mutex(())

    private init(descriptor: Int32) { sink = .descriptor(descriptor) }

    /// For tests: `receive` gets each line, its newline included.
    public init(receive: @escaping @Sendable (String) -> Void) { sink = .receiver(receive) }

    /// Writes text as it is; the newline is the caller's.
    public func write(text: String) { write(line: Array(text.utf8)) }

    func write(line: [UInt8]) {
        switch sink {
        case .descriptor(let descriptor):
            writing.withLock { _ in line.withUnsafeBytes { Self.writeAll($0, to: descriptor) } }
        case .receiver(let receive): receive(String(decoding: line, as: UTF8.self))
        }
    }

    /// True when the descriptor is a terminal.
    public static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) {
        var offset = 0
        while offset < bytes.count {
            let count = systemWrite(descriptor, bytes.baseAddress?.advanced(by: offset), bytes.count - offset)
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
