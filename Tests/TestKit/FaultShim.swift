// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A library that is loaded before the C library (LD_PRELOAD) and fails the system calls of an unchanged daemon as a broken or full disk does,
/// while a file says so. Compiled when a test needs it, by the compiler that Swift brings.
///
/// What the daemon is told is false then only in the error: a failing sync is not carried out, a hanging one does not return.
public struct FaultShim: Sendable {
    public enum Fault: String, Sendable {
        /// fsync and fdatasync fail with EIO.
        case failingSync = "f"
        /// fsync and fdatasync do not return until the fault is gone.
        case hangingSync = "h"
        /// Nothing may grow: posix_fallocate, and pwrite beyond the end of a file, fail with ENOSPC.
        case noSpace = "n"
        /// statvfs says that nothing is free.
        case nothingFree = "s"
    }

    private let directory: TemporaryDirectory
    private var library: String { directory.file("faults.so") }
    private var marker: String { directory.file("fault") }

    public init() async throws {
        directory = try TemporaryDirectory("shim")
        try Self.source.write(toFile: directory.file("faults.c"), atomically: true, encoding: .utf8)
        let compiler = try (try? Executables.system("clang")) ?? Executables.system("cc")
        let process = try ServiceProcess(
            program: compiler,
            arguments: ["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, directory.file("faults.c")],
            log: directory.file("cc.log"))
        guard try await process.waitForExit() == .exited(0) else {
            throw ServiceProcess.Ended(description: "\(compiler): \(process.log)")
        }
    }

    /// What the daemon's environment needs.
    public var environment: [String: String] { ["LD_PRELOAD": library, "FAULT_FILE": marker] }

    public func begin(_ fault: Fault) throws {
        try? FileManager.default.removeItem(atPath: marker + ".reached")
        try fault.rawValue.write(toFile: marker, atomically: true, encoding: .utf8)
    }

    public func end() throws { try FileManager.default.removeItem(atPath: marker) }

    /// Whether a call has met the fault since it began.
    public var isReached: Bool { FileManager.default.fileExists(atPath: marker + ".reached") }

    private static let source = #"""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/stat.h>
        #include <sys/statvfs.h>
        #include <sys/syscall.h>
        #include <unistd.h>

        static char fault(void) {
            char value = 0;
            const char *path = getenv("FAULT_FILE");
            int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
            if (file < 0) return 0;
            if (read(file, &value, 1) != 1) value = 0;
            close(file);
            return value;
        }

        static void reached(void) {
            char path[4096];
            snprintf(path, sizeof path, "%s.reached", getenv("FAULT_FILE"));
            close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        }

        static int synchronize(long call, int file) {
            char now = fault();
            if (now == 'f') {
                reached();
                errno = EIO;
                return -1;
            }
            while (now == 'h') {
                reached();
                usleep(10000);
                now = fault();
            }
            return (int)syscall(call, file);
        }

        int fsync(int file) { return synchronize(SYS_fsync, file); }
        int fdatasync(int file) { return synchronize(SYS_fdatasync, file); }

        static int lacksSpace(int file, off_t end) {
            struct stat status;
            if (fault() != 'n' || fstat(file, &status) != 0 || end <= status.st_size) return 0;
            reached();
            return 1;
        }

        ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
            if (lacksSpace(file, offset + (off_t)count)) {
                errno = ENOSPC;
                return -1;
            }
            ssize_t (*next)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
            return next(file, bytes, count, offset);
        }
        ssize_t pwrite64(int file, const void *bytes, size_t count, off_t offset) {
            return pwrite(file, bytes, count, offset);
        }

        int posix_fallocate(int file, off_t offset, off_t length) {
            if (lacksSpace(file, offset + length)) return ENOSPC;
            int (*next)(int, off_t, off_t) = dlsym(RTLD_NEXT, "posix_fallocate");
            return next(file, offset, length);
        }
        int posix_fallocate64(int file, off_t offset, off_t length) { return posix_fallocate(file, offset, length); }

        int statvfs(const char *path, struct statvfs *statistics) {
            int (*next)(const char *, struct statvfs *) = dlsym(RTLD_NEXT, "statvfs");
            int result = next(path, statistics);
            if (result == 0 && fault() == 's') {
                reached();
                statistics->f_bavail = 0;
            }
            return result;
        }
        """#
}
