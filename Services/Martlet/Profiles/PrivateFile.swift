// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// Files that nobody else may read: 600, in a folder of 700, replaced as a whole.
enum PrivateFile {
    /// A profile with a hundred stored keys has about 20 KiB.
    static let maximumBytes = 4 << 20

    /// Makes the folder if it is not there.
    /// - Throws: ``CommandFailure`` when it is somebody else's, or others may look into it.
    static func prepareDirectory(_ path: String) throws(CommandFailure) {
        do {
            // The folders above it are not ours to close.
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        } catch {
            throw .usage("cannot make the folder \(path): \(error.localizedDescription)")
        }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw .usage("cannot make the folder \(path): \(systemError())")
        }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw .usage("\(path) is no folder")
        }
        try check(status, path: path, expected: "700")
    }

    /// - Returns: nil where there is no such file.
    /// - Throws: ``CommandFailure`` when it is somebody else's, or others may read or write it.
    static func read(_ path: String) throws(CommandFailure) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .usage("cannot read \(path): \(systemError())")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .usage("\(path) is no file")
        }
        try check(status, path: path, expected: "600")
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .usage("cannot read \(path): \(systemError())") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= maximumBytes else { throw .usage("\(path) is larger than \(maximumBytes) bytes") }
        }
    }

    /// Replaces the file: whoever reads it meanwhile finds the old content or the new one, also after a crash.
    static func write(_ bytes: [UInt8], to path: String) throws(CommandFailure) {
        // Made with mode 600 (mkstemp(3)).
        var template = Array("\(path).XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw .usage("cannot write \(path): \(systemError())") }
        let temporary = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var rest = bytes[...]
        var isWritten = true
        while !rest.isEmpty && isWritten {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else { isWritten = errno == EINTR }
        }
        isWritten = isWritten && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, rename(temporary, path) == 0 else {
            let reason = systemError()
            unlink(temporary)
            throw .usage("cannot write \(path): \(reason)")
        }
    }

    private static func check(_ status: stat, path: String, expected: String) throws(CommandFailure) {
        guard status.st_uid == geteuid() else {
            throw .usage("\(path) belongs to another user", advice: "nothing secret is kept there or read from there")
        }
        guard status.st_mode & 0o077 == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw .usage(
                "others may use \(path) (mode \(mode)), and it holds tokens", advice: "chmod \(expected) \(path)")
        }
    }

    static func systemError(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
}
