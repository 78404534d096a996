// SPDX-License-Identifier: Apache-2.0
import Foundation
import Postgres
import TestKit

/// A bus, a PostgreSQL server that syncs, and `users`, which is started again with other settings.
final class LoginStage {
    static let secret = "a-password-for-benchmarks"
    private static let adminEmail = "admin@example.com"

    let port: Int
    let database: PostgresPool
    private let directory: TemporaryDirectory
    private let cluster: PostgresCluster
    private let databaseURL: String
    private let bus: ServiceProcess
    private var process: ServiceProcess?

    init() async throws {
        directory = try TemporaryDirectory("bench-login")
        cluster = try await PostgresCluster.start(fsync: true, settings: PostgresCluster.benchmarkSettings)
        databaseURL = try await cluster.createDatabase()
        database = PostgresPool(
            configuration: PostgresConfiguration(
                url: databaseURL, applicationName: "bench", maximumConnections: 1, acquireTimeout: .seconds(60),
                statementTimeout: .seconds(60)))
        port = try FreePort.next()
        bus = try ServiceProcess.start(
            "bus",
            environment: [
                "MARTLET_BUS_SOCKET": directory.file("bus.sock"), "MARTLET_BUS_DATA": directory.file("bus"),
                "MARTLET_BUS_HTTP_PORT": String(try FreePort.next()),
            ], log: directory.file("bus.log"))
    }

    /// Starts `users`, after the one before has stopped, and waits until it is healthy.
    func start(_ settings: [String: String] = [:]) async throws {
        try await process?.terminate()
        let environment = [
            "MARTLET_BUS_SOCKET": directory.file("bus.sock"), "DATABASE_URL": databaseURL,
            "MARTLET_USERS_HTTP_PORT": String(port), "MARTLET_USERS_SELF_REGISTER": "true",
            "MARTLET_USERS_ADMIN_EMAIL": Self.adminEmail, "MARTLET_USERS_ADMIN_PASSWORD": Self.secret,
        ]
        let users = try ServiceProcess.start(
            "users", environment: environment.merging(settings) { _, new in new }, log: directory.file("users.log"))
        process = users
        try await users.wait("users is healthy", deadline: .seconds(120)) {
            (try? await HTTPClient(port: port).get("/health"))?.status == 200
        }
    }

    func stop() async throws {
        try await process?.terminate()
        try await bus.terminate()
        database.close()
        try await cluster.stop()
    }

    var users: ServiceProcess {
        get throws {
            guard let process else { throw BenchmarkFailure(description: "users was never started") }
            return process
        }
    }

    /// The first process of PostgreSQL.
    func serverIdentifier() throws -> Int32 { try cluster.serverIdentifier() }

    // MARK: Users

    private struct Created: Decodable { let id: String }
    private struct Token: Decodable {
        enum CodingKeys: String, CodingKey { case accessToken = "access_token" }
        let accessToken: String
    }

    /// - Parameter note: what stands in the metadata.
    /// - Returns: the user's identifier.
    @discardableResult
    func register(_ identity: String, note: String = "") async throws -> String {
        let body =
            #"{"credentials":{"identity":"\#(identity)","secret":"\#(Self.secret)"},"metadata":{"note":"\#(note)"}}"#
        let answer = try await HTTPClient(port: port).send(
            "POST", "/users", headers: ["Content-Type": "application/json"], body: Array(body.utf8))
        return try Stack.expect(201, answer, "register").json(Created.self).id
    }

    /// An access token.
    func logIn(_ identity: String = adminEmail) async throws -> String {
        let answer = try await HTTPClient(port: port).post(
            "/users/tokens/issue", json: ["identity": identity, "secret": Self.secret])
        return try Stack.expect(201, answer, "log in").json(Token.self).accessToken
    }

    func disable(_ user: String) async throws {
        let admin = HTTPClient(port: port, headers: ["Authorization": "Bearer \(try await logIn())"])
        try Stack.expect(200, await admin.send("POST", "/users/\(user)/disable"), "disable a user")
    }
}
