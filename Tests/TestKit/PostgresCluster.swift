// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import Postgres
import Synchronization

#if canImport(Glibc)
    @preconcurrency import Glibc
#else
    import Darwin
#endif

/// A private PostgreSQL server for tests: a data directory of its own under the temporary folder, reachable by Unix socket only.
///
/// Works as root too, by running the server as an unprivileged user. A guardian process, which notices the end of the test process by the end
/// of a pipe, stops the server and removes the folder, however the test process ends.
///
///     let cluster = try await PostgresCluster.shared()
///     let url = try await cluster.createDatabase()
public final class PostgresCluster: Sendable {
    public struct Failure: Error, CustomStringConvertible {
        public var description: String
    }

    /// The folder that holds the data directory, the socket and the log.
    public let directory: String
    private let binaries: String
    private let settings: [String]
    private let user: UnprivilegedUser?
    private let server = Mutex<pid_t?>(nil)
    private let databases = Mutex(0)
    /// Open as long as this process lives; the guardian reads its other end.
    private let guardianPipe: Int32

    private static let sharedStart = Task { try await PostgresCluster.start() }

    /// The one cluster of this test process; every suite takes a database of its own.
    public static func shared() async throws -> PostgresCluster { try await sharedStart.value }

    /// Starts a cluster of its own, for tests that stop or kill the server.
    ///
    /// - Parameters:
    ///   - fsync: false makes commits fast and unsafe; true where a test measures or breaks things.
    ///   - settings: further `name=value` settings of the server.
    public static func start(fsync: Bool = false, settings: [String] = []) async throws -> PostgresCluster {
        let cluster = try PostgresCluster(fsync: fsync, settings: settings)
        try await cluster.initialize()
        try await cluster.start()
        return cluster
    }

    private init(fsync: Bool, settings: [String]) throws {
        binaries = try Self.findBinaries()
        user = geteuid() == 0 ? try UnprivilegedUser.find() : nil
        var template = Array("/tmp/martlet-pg-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(description: "mkdtemp: error \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if let user, chown(directory, user.uid, user.gid) != 0 {
            throw Failure(description: "chown \(directory): error \(errno)")
        }
        // Others may enter: services under test run as other users.
        chmod(directory, 0o755)
        self.settings =
            [
                "listen_addresses=", "unix_socket_directories=\(directory)", "fsync=\(fsync ? "on" : "off")",
                "full_page_writes=\(fsync ? "on" : "off")", "max_connections=200", "shared_buffers=64MB",
                "log_min_messages=warning",
            ] + settings
        guardianPipe = try Self.spawnGuardian(directory: directory)
    }

    deinit {
        // The end of the pipe is the guardian's sign to clean up.
        close(guardianPipe)
    }

    // MARK: Databases

    /// The connection URI of a database.
    public func url(database: String = "postgres") -> String {
        "postgresql:///\(database)?host=\(directory)&user=martlet"
    }

    /// Creates an empty database and returns its URI.
    public func createDatabase() async throws -> String {
        let number = databases.withLock { count in
            count += 1
            return count
        }
        guard let name = SQLIdentifier(checking: "test_\(number)") else { throw Failure(description: "name") }
        let pool = PostgresPool(configuration: administrator)
        defer { pool.close() }
        try await pool.withConnection { connection in
            _ = try await connection.execute("CREATE DATABASE \(name)", prepared: false)
        }
        return url(database: name.name)
    }

    private var administrator: PostgresConfiguration {
        PostgresConfiguration(
            url: url(), applicationName: "tests", maximumConnections: 1, acquireTimeout: .seconds(30),
            statementTimeout: nil)
    }

    // MARK: The server's life

    /// Starts the server and waits until it answers.
    public func start() async throws {
        guard server.withLock({ $0 == nil }) else { return }
        let deadline = ContinuousClock.now + .seconds(60)
        // After kill -9 of the postmaster alone its children need a moment to notice; until then it refuses to start.
        while ContinuousClock.now < deadline {
            let arguments =
                [binaries + "/postgres", "-D", directory + "/data"] + settings.flatMap { ["-c", $0] }
            let process = try Self.spawn(asUser(arguments), log: directory + "/log")
            server.withLock { $0 = process }
            while ContinuousClock.now < deadline {
                if await answers() { return }
                if waitpid(process, nil, WNOHANG) == process { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            server.withLock { $0 = nil }
        }
        throw Failure(description: "PostgreSQL does not start: \(Self.tail(of: directory + "/log"))")
    }

    private func answers() async -> Bool {
        var configuration = administrator
        configuration.acquireTimeout = .milliseconds(500)
        let pool = PostgresPool(
            configuration: configuration, logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
        defer { pool.close() }
        return await pool.checkHealth()
    }

    /// Fast shutdown: sessions are ended, everything is written.
    public func stop() async throws { try await end(SIGINT) }

    /// Kills the postmaster and all its processes at once, as a power cut would.
    public func kill() async throws {
        guard let process = server.withLock({ $0 }) else { return }
        let children = Self.children(of: process)
        _ = Glibc.kill(process, SIGKILL)
        for child in children { _ = Glibc.kill(child, SIGKILL) }
        try await end(SIGKILL)
    }

    private func end(_ signal: Int32) async throws {
        guard let process = server.withLock({ $0 }) else { return }
        _ = Glibc.kill(process, signal)
        let deadline = ContinuousClock.now + .seconds(60)
        while waitpid(process, nil, WNOHANG) == 0 {
            guard ContinuousClock.now < deadline else { throw Failure(description: "PostgreSQL does not stop") }
            try await Task.sleep(for: .milliseconds(10))
        }
        server.withLock { $0 = nil }
    }

    public func restart() async throws {
        try await stop()
        try await start()
    }

    private func initialize() async throws {
        let process = try Self.spawn(
            asUser([
                binaries + "/initdb", "-D", directory + "/data", "-U", "martlet", "--auth=trust", "--no-sync",
                "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions",
            ]), log: directory + "/log")
        var status: Int32 = 0
        while waitpid(process, &status, WNOHANG) == 0 { try await Task.sleep(for: .milliseconds(20)) }
        guard status == 0 else { throw Failure(description: "initdb failed: \(Self.tail(of: directory + "/log"))") }
    }

    private func asUser(_ arguments: [String]) -> [String] {
        guard let user else { return arguments }
        return ["setpriv", "--reuid=\(user.uid)", "--regid=\(user.gid)", "--clear-groups"] + arguments
    }
}
