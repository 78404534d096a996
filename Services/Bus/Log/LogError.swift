// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#endif

/// What can go wrong with a stream's log.
enum LogError: Error, Sendable, Equatable, CustomStringConvertible {
    enum Operation: String, Sendable {
        case createDirectory, list, open, lock, read, write, synchronize, allocate, truncate, rename, remove, statistics
    }

    /// A call of the operating system failed with `code` (errno).
    case inputOutput(Operation, path: String, code: Int32)
    /// The batch came after one that failed: nothing of it was written.
    case superseded
    /// Another process (or another log of this one) has the directory open.
    case locked(path: String)
    /// A write made no progress.
    case stalledWrite(path: String)

    /// No space, or the quota is spent: goes away when space is made.
    var isOutOfSpace: Bool {
        if case .inputOutput(_, _, let code) = self { return code == ENOSPC || code == EDQUOT }
        return false
    }

    var isNotFound: Bool {
        if case .inputOutput(_, _, let code) = self { return code == ENOENT }
        return false
    }

    /// The medium could not deliver (EIO), as opposed to a lack of memory or descriptors.
    var isUnreadableMedium: Bool {
        if case .inputOutput(.read, _, let code) = self { return code == EIO }
        return false
    }

    var description: String {
        switch self {
        case .inputOutput(let operation, let path, let code):
            "\(operation.rawValue) \(path): \(String(cString: strerror(code)))"
        case .superseded: "an earlier batch failed"
        case .locked(let path): "\(path) is in use by another process"
        case .stalledWrite(let path): "a write to \(path) made no progress"
        }
    }
}
