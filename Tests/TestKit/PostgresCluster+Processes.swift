// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    @preconcurrency import Glibc
#else
    import Darwin
#endif

/// Whom the server runs as when the tests run as root, which PostgreSQL refuses.
struct UnprivilegedUser {
    var uid: uid_t
    var gid: gid_t

    static func find() throws -> UnprivilegedUser {
        for name in ["postgres", "nobody"] {
            if let entry = getpwnam(name) {
                return UnprivilegedUser(uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
            }
        }
        throw PostgresCluster.Failure(description: "neither a user postgres nor nobody exists")
    }
}

extension PostgresCluster {
    /// The newest installed server of Debian's and Ubuntu's layout.
    static func findBinaries() throws -> String {
        guard let folder = opendir("/usr/lib/postgresql") else {
            throw Failure(description: "PostgreSQL is not installed: /usr/lib/postgresql is missing")
        }
        defer { closedir(folder) }
        var versions: [Int] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let version = Int(name), access("/usr/lib/postgresql/\(name)/bin/initdb", X_OK) == 0 {
                versions.append(version)
            }
        }
        guard let newest = versions.max() else {
            throw Failure(description: "PostgreSQL is not installed: no initdb under /usr/lib/postgresql")
        }
        return "/usr/lib/postgresql/\(newest)/bin"
    }

    /// Starts a program in a session of its own with its output appended to `log`.
    static func spawn(_ arguments: [String], log: String, input: Int32? = nil) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o666)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // A Ctrl-C at the terminal is for the tests, not for what they have started: each program gets a session of its own.
        let arguments = ["setsid"] + arguments
        let copies = arguments.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        var process = pid_t()
        let status = posix_spawnp(&process, arguments[0], &actions, nil, copies + [nil], environ)
        guard status == 0 else { throw Failure(description: "cannot start \(arguments[0]): error \(status)") }
        return process
    }

    /// A shell that waits for the end of its input, which comes with the end of this process, and then cleans up.
    static func spawnGuardian(directory: String) throws -> Int32 {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Failure(description: "pipe: error \(errno)") }
        // The writing end must not live on in other children of this process.
        _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
        let script = """
            trap '' INT TERM HUP
            read -r line
            pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
            if [ -n "$pid" ]; then
                kill -QUIT "$pid" 2>/dev/null
                tries=0
                while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
            fi
            rm -rf "$1"
            """
        _ = try spawn(
            ["/bin/sh", "-c", script, "guardian", directory], log: "/dev/null", input: ends[0])
        close(ends[0])
        return ends[1]
    }

    /// The end of a log, for a failure's description: the folder is gone by the time that anyone could look.
    static func tail(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "no log" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(String(decoding: bytes.prefix(count), as: UTF8.self).suffix(2_000))
    }

    static func children(of process: pid_t) -> [pid_t] {
        guard let file = fopen("/proc/\(process)/task/\(process)/children", "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: " ").compactMap { pid_t($0) }
    }
}
