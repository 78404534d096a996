// SPDX-License-Identifier: Apache-2.0

/// The calls of the operating system that the log makes, so that tests can count them and make them fail.
protocol LogFileSystem: Sendable {
    /// Creates the directory and makes its entry durable; one that exists is left alone. Its parent must exist.
    func createDirectory(_ path: String) throws(LogError)
    /// Names in the directory, in any order, without `.` and `..`.
    func list(_ directory: String) throws(LogError) -> [String]
    func open(_ path: String, _ mode: LogFileMode) throws(LogError) -> any LogFile
    /// Atomically replaces `target`; durable after ``synchronizeDirectory(_:)``.
    func rename(_ source: String, to target: String) throws(LogError)
    func remove(_ path: String) throws(LogError)
    func synchronizeDirectory(_ path: String) throws(LogError)
    /// What an unprivileged process may still write to the filesystem that holds `path`.
    func freeBytes(_ path: String) throws(LogError) -> Int
    /// Takes the exclusive lock of a file, creating it; held until the result is released or the process ends.
    /// - Throws: ``LogError/locked(path:)`` when somebody else has it.
    func lock(_ path: String) throws(LogError) -> any LogFileLock
}

enum LogFileMode: Sendable {
    case read
    case readWrite
    /// Created, or emptied if it exists.
    case create
}

/// An open file; closed when released.
protocol LogFile: AnyObject, Sendable {
    var path: String { get }
    /// Reads at most `bytes.count`; 0 at the end of the file. May be short.
    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(LogError) -> Int
    /// May be short.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(LogError) -> Int
    /// Data and what is needed to read it back are on disk afterwards.
    func synchronize() throws(LogError)
    /// Reserves zeroed space for `size` bytes from the beginning.
    func allocate(_ size: Int) throws(LogError)
    func truncate(_ size: Int) throws(LogError)
    func size() throws(LogError) -> Int
    /// Gives back the memory in which the operating system keeps what was synced; it is read from disk the next time.
    func releaseCache()
}

protocol LogFileLock: AnyObject, Sendable {}

extension LogFile {
    /// Writes all of `bytes`, however short the single writes are.
    func writeAll(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(LogError) {
        var written = 0
        while written < bytes.count {
            let count = try write(UnsafeRawBufferPointer(rebasing: bytes[written...]), at: offset + written)
            guard count > 0 else { throw .stalledWrite(path: path) }
            written += count
        }
    }

    /// Writes a small buffer at the beginning.
    func writeAll(_ bytes: [UInt8]) throws(LogError) {
        let failure = bytes.withUnsafeBytes { buffer -> LogError? in
            do throws(LogError) {
                try writeAll(buffer, at: 0)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Writes the first `count` bytes again as they read now, so that the next sync includes them.
    func rewrite(_ count: Int) throws(LogError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(max(count, 1), 1 << 20), alignment: 8)
        defer { buffer.deallocate() }
        var offset = 0
        while offset < count {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, count - offset)])
            let read = try readAll(into: part, at: offset)
            guard read > 0 else { return }
            try writeAll(UnsafeRawBufferPointer(rebasing: part[..<read]), at: offset)
            offset += read
        }
    }

    /// Reads until `bytes` is full or the file ends.
    func readAll(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(LogError) -> Int {
        var total = 0
        while total < bytes.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[total...]), at: offset + total)
            if count <= 0 { break }
            total += count
        }
        return total
    }

    /// The first bytes, at most `count`; see ``readTolerant(into:at:)``.
    func head(_ count: Int) throws(LogError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(count, 0))
        let result = bytes.withUnsafeMutableBytes { buffer -> Result<Int, LogError> in
            do throws(LogError) {
                return .success(try readTolerant(into: buffer, at: 0).count)
            } catch {
                return .failure(error)
            }
        }
        bytes.removeLast(bytes.count - (try result.get()))
        return bytes
    }

    /// As ``readAll(into:at:)``, but blocks that the medium cannot deliver are zeros, which no checksum accepts: a bad sector costs the
    /// records on it, not its neighbours.
    /// - Returns: bytes read, and whether any block was unreadable.
    func readTolerant(
        into bytes: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(LogError) -> (count: Int, hasUnreadable: Bool) {
        do {
            return (try readAll(into: bytes, at: offset), false)
        } catch {
            guard error.isUnreadableMedium else { throw error }
        }
        let block = 4096
        let available = min(max(try size() - offset, 0), bytes.count)
        var total = 0
        while total < available {
            let length = min(block - (offset + total) % block, available - total)
            let part = UnsafeMutableRawBufferPointer(rebasing: bytes[total..<total + length])
            do {
                let count = try readAll(into: part, at: offset + total)
                if count < length { return (total + count, true) }
            } catch {
                guard error.isUnreadableMedium else { throw error }
                part.initializeMemory(as: UInt8.self, repeating: 0)
            }
            total += length
        }
        return (total, true)
    }
}

extension LogFileSystem {
    /// Replaces a small file so that after a crash it is either the old or the new one.
    func replace(_ path: String, with bytes: [UInt8]) throws(LogError) {
        let temporary = path + ".new"
        let file = try open(temporary, .create)
        try file.writeAll(bytes)
        try file.synchronize()
        try rename(temporary, to: path)
    }

    /// The first bytes of a file, at most `limit`.
    func contents(_ path: String, limit: Int) throws(LogError) -> [UInt8] {
        let file = try open(path, .read)
        return try file.head(min(try file.size(), limit))
    }
}
