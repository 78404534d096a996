// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// A new folder that is removed with this object, unless `MARTLET_KEEP_TEMPORARY` is set.
///
/// It lies directly under `/tmp`, so that the path of a Unix socket in it stays below the kernel's 108 bytes.
public final class TemporaryDirectory: Sendable {
    public let path: String

    public init(_ name: String = "test") throws {
        var template = Array("/tmp/martlet-\(name.prefix(24))-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError(call: "mkdtemp", code: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The path of a file in it.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    deinit {
        guard ProcessInfo.processInfo.environment["MARTLET_KEEP_TEMPORARY"] == nil else { return }
        try? FileManager.default.removeItem(atPath: path)
    }
}

/// A system call that failed.
public struct SystemError: Error, CustomStringConvertible {
    public let call: String
    public let code: Int32

    public init(call: String, code: Int32) {
        self.call = call
        self.code = code
    }

    public var description: String { "\(call): \(String(cString: strerror(code)))" }
}
