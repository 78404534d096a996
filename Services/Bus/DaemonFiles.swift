// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// What a daemon holds in the file system: the locked data directory and the listening socket.
final class DaemonFiles: Sendable {
    struct Taken: Error, CustomStringConvertible {
        let description: String
    }

    let listener: Int32
    private let lock: Int32
    private let socketPath: String
    private let inode: UInt64

    /// - Throws: ``Taken`` when another daemon has the data directory or serves the socket; ``SystemError``.
    init(_ configuration: BusConfiguration) throws {
        try Self.makeDirectory(configuration.dataDirectory, mode: 0o700)
        lock = try Self.takeLock(configuration.dataDirectory + "/lock")
        do {
            listener = try Self.listen(configuration)
        } catch {
            close(lock)
            throw error
        }
        socketPath = configuration.socketPath
        inode = Self.inode(of: configuration.socketPath)
    }

    /// The listener is closed by the loop.
    func release() {
        // Another daemon may have put its own socket there meanwhile.
        if Self.inode(of: socketPath) == inode { unlink(socketPath) }
        close(lock)
    }

    private static func inode(of path: String) -> UInt64 {
        var status = stat()
        return lstat(path, &status) == 0 ? UInt64(status.st_ino) : 0
    }

    private static func makeDirectory(_ path: String, mode: mode_t) throws(SystemError) {
        var status = stat()
        if stat(path, &status) == 0 { return }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeDirectory(String(path[..<slash]), mode: 0o755)
        }
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw SystemError("mkdir \(path)") }
    }

    /// The kernel lets go of the lock when its holder dies, however that happens; the file itself stays and means nothing.
    private static func takeLock(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError("open \(path)") }
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let number = errno
            close(descriptor)
            if number == EWOULDBLOCK {
                throw Taken(description: "another bus daemon uses this data directory (\(path))")
            }
            throw SystemError("flock \(path)", number)
        }
        return descriptor
    }

    private static func listen(_ configuration: BusConfiguration) throws -> Int32 {
        let path = configuration.socketPath
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeDirectory(String(path[..<slash]), mode: 0o755)
        }
        try removeStaleSocket(path)
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("socket") }
        // The mode is right from the first moment: bind creates the file by the umask.
        let mask = umask(0o777 & ~mode_t(configuration.socketMode))
        let bound = withAddress(path) { Glibc.bind(descriptor, $0, $1) }
        let number = errno
        umask(mask)
        guard bound == 0 else {
            close(descriptor)
            throw SystemError("bind \(path)", number)
        }
        guard Glibc.listen(descriptor, 1024) == 0 else {
            let number = errno
            close(descriptor)
            throw SystemError("listen \(path)", number)
        }
        return descriptor
    }

    /// A killed daemon leaves its socket file behind. Somebody who answers there is another daemon (with a data directory of its own).
    private static func removeStaleSocket(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw Taken(description: "\(path) exists and is not a socket")
        }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw SystemError("socket") }
        defer { close(probe) }
        if withAddress(path, { connect(probe, $0, $1) }) == 0 {
            throw Taken(description: "another daemon serves \(path)")
        }
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("unlink \(path)") }
    }

    private static func withAddress<Result>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            // Room for the terminating zero: the configuration refuses longer paths.
            buffer.copyBytes(from: path.utf8.prefix(buffer.count - 1))
        }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
