// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// The real file system.
struct PosixFileSystem: LogFileSystem {
    func createDirectory(_ path: String) throws(LogError) {
        if mkdir(path, 0o750) != 0 {
            guard errno == EEXIST else { throw .inputOutput(.createDirectory, path: path, code: errno) }
            return
        }
        try synchronizeDirectory(path + "/..")
    }

    func list(_ directory: String) throws(LogError) -> [String] {
        guard let stream = opendir(directory) else { throw .inputOutput(.list, path: directory, code: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw .inputOutput(.list, path: directory, code: errno) }
        return names
    }

    func open(_ path: String, _ mode: LogFileMode) throws(LogError) -> any LogFile {
        let flags: Int32 =
            switch mode {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .create: O_RDWR | O_CREAT | O_TRUNC
            }
        return PosixFile(path: path, descriptor: try Self.descriptor(path, flags))
    }

    func rename(_ source: String, to target: String) throws(LogError) {
        guard Glibc.rename(source, target) == 0 else { throw .inputOutput(.rename, path: source, code: errno) }
    }

    func remove(_ path: String) throws(LogError) {
        guard unlink(path) == 0 else { throw .inputOutput(.remove, path: path, code: errno) }
    }

    func synchronizeDirectory(_ path: String) throws(LogError) {
        let descriptor = try Self.descriptor(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .inputOutput(.synchronize, path: path, code: errno) }
    }

    func freeBytes(_ path: String) throws(LogError) -> Int {
        var statistics = statvfs()
        guard statvfs(path, &statistics) == 0 else { throw .inputOutput(.statistics, path: path, code: errno) }
        let product = UInt64(statistics.f_bavail).multipliedReportingOverflow(by: UInt64(statistics.f_frsize))
        return product.overflow ? Int.max : Int(clamping: product.partialValue)
    }

    func lock(_ path: String) throws(LogError) -> any LogFileLock {
        let descriptor = try Self.descriptor(path, O_RDWR | O_CREAT)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw code == EWOULDBLOCK ? .locked(path: path) : .inputOutput(.lock, path: path, code: code)
        }
        return PosixFile(path: path, descriptor: descriptor)
    }

    private static func descriptor(_ path: String, _ flags: Int32) throws(LogError) -> Int32 {
        while true {
            let descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o640)
            if descriptor >= 0 { return descriptor }
            guard errno == EINTR else { throw .inputOutput(.open, path: path, code: errno) }
        }
    }
}

/// An open file of the real file system.
final class PosixFile: LogFile, LogFileLock {
    let path: String
    private let descriptor: Int32

    fileprivate init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(LogError) -> Int {
        while true {
            let count = pread(descriptor, bytes.baseAddress, bytes.count, off_t(offset))
            if count >= 0 { return count }
            guard errno == EINTR else { throw .inputOutput(.read, path: path, code: errno) }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(LogError) -> Int {
        while true {
            let count = pwrite(descriptor, bytes.baseAddress, bytes.count, off_t(offset))
            if count >= 0 { return count }
            guard errno == EINTR else { throw .inputOutput(.write, path: path, code: errno) }
        }
    }

    func synchronize() throws(LogError) {
        // Never repeated after an error: the kernel may have dropped the pages and would report success the second time.
        guard fdatasync(descriptor) == 0 else { throw .inputOutput(.synchronize, path: path, code: errno) }
    }

    func allocate(_ size: Int) throws(LogError) {
        while true {
            let code = posix_fallocate(descriptor, 0, off_t(size))
            if code == 0 { return }
            guard code == EINTR else { throw .inputOutput(.allocate, path: path, code: code) }
        }
    }

    func truncate(_ size: Int) throws(LogError) {
        while ftruncate(descriptor, off_t(size)) != 0 {
            guard errno == EINTR else { throw .inputOutput(.truncate, path: path, code: errno) }
        }
    }

    func size() throws(LogError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .inputOutput(.read, path: path, code: errno) }
        return Int(status.st_size)
    }

    func releaseCache() { posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) }
}
