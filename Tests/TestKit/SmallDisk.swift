// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// A filesystem of a given size that only the bus sees: a tmpfs in a mount namespace of its own, which a holder process keeps, so that the
/// filesystem outlives the bus. Root makes the namespace directly, an ordinary user in a user namespace.
public final class SmallDisk: Sendable {
    private let holder: ServiceProcess
    private let directory: TemporaryDirectory
    private let enter: [String]

    /// - Returns: nil where the kernel or its administrator lets nobody mount anything, as in a container without that capability.
    public static func mount(megabytes: Int) async throws -> SmallDisk? {
        let directory = try TemporaryDirectory("disk")
        let log = directory.file("log")
        try FileManager.default.createDirectory(atPath: directory.file("disk"), withIntermediateDirectories: true)
        let script =
            "mount -t tmpfs -o size=\(megabytes)m,mode=755 tmpfs \(directory.file("disk")) && echo mounted && exec sleep 86400"
        let namespaces = geteuid() == 0 ? ["--mount"] : ["--user", "--map-root-user", "--mount"]
        let holder = try ServiceProcess(
            program: Executables.system("unshare"),
            arguments: namespaces + [Executables.system("setpriv"), "--pdeathsig", "KILL", "sh", "-c", script], log: log
        )
        do {
            try await holder.waitForLog("mounted")
        } catch is ServiceProcess.Ended {
            guard !holder.isRunning else { throw ServiceProcess.Ended(description: holder.log) }
            print("no mount namespace here: \(holder.log)")
            return nil
        }
        return try SmallDisk(holder: holder, directory: directory)
    }

    private init(holder: ServiceProcess, directory: TemporaryDirectory) throws {
        self.holder = holder
        self.directory = directory
        let namespaces = geteuid() == 0 ? ["--mount"] : ["--user", "--mount", "--preserve-credentials"]
        // Entering a namespace takes the parent-death signal away: it is set again behind it.
        enter =
            try [Executables.system("nsenter"), "--target", "\(holder.processIdentifier)"] + namespaces
            + ["--", Executables.system("setpriv"), "--pdeathsig", "KILL", "--"]
    }

    /// Starts a program that sees the filesystem.
    public var launcher: [String] { enter }

    /// Where the bus finds it.
    public var path: String { directory.file("disk") }

    /// The same from here.
    private var pathFromOutside: String { "/proc/\(holder.processIdentifier)/root\(path)" }

    /// Takes all space that is left.
    public func fill() throws {
        let file = open(pathFromOutside + "/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw SystemError(call: "open filler", code: errno) }
        defer { close(file) }
        let bytes = [UInt8](repeating: 0x55, count: 64 << 10)
        while write(file, bytes, bytes.count) > 0 {}
        guard errno == ENOSPC else { throw SystemError(call: "write filler", code: errno) }
    }

    /// Gives it back.
    public func empty() throws {
        guard unlink(pathFromOutside + "/filler") == 0 else { throw SystemError(call: "unlink filler", code: errno) }
    }
}
