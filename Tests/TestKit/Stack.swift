// SPDX-License-Identifier: Apache-2.0
import Foundation
import Postgres
import Synchronization

/// The whole product as it runs: a PostgreSQL server of its own that syncs, the bus and all services as processes, on ports that are free.
///
/// Started in the order of their needs, but none of them depends on it: each waits for what is not there yet.
public final class Stack: Sendable {
    public static let services = [
        "bus", "users", "things", "journal", "http-adapter", "mqtt-adapter", "coap-adapter", "writer-postgres",
        "reader-postgres",
    ]
    public static let adminEmail = "admin@example.com"
    public static let adminPassword = "a-password-for-tests-only"

    public let directory: TemporaryDirectory
    public let cluster: PostgresCluster
    public let databaseURL: String
    public let ports: [String: Int]
    /// Of MQTT over TCP and over WebSocket.
    public let mqttPort: Int
    public let mqttWebSocketPort: Int
    /// Of CoAP over UDP and over TCP.
    public let coapPort: Int
    /// Of CoAP over DTLS and over TLS, where ``start(settings:databaseSettings:launchers:)`` is given a certificate.
    public let coapsPort: Int
    /// For questions to the database that the product has no part in.
    public let database: PostgresPool
    private let processes = Mutex<[String: ServiceProcess]>([:])
    private let environments: [String: [String: String]]
    private let launchers: [String: [String]]

    /// - Parameters:
    ///   - settings: further environment variables, by service.
    ///   - databaseSettings: further `name=value` settings of the PostgreSQL server.
    ///   - launchers: programs with arguments that start a service, by service: its path follows as the last argument. Each must become the
    ///     program (exec), so that what is killed is the service.
    public static func start(
        settings: [String: [String: String]] = [:], databaseSettings: [String] = [], launchers: [String: [String]] = [:]
    ) async throws -> Stack {
        let cluster = try await PostgresCluster.start(fsync: true, settings: databaseSettings)
        let stack = try await Stack(cluster: cluster, settings: settings, launchers: launchers)
        for service in services { try stack.launch(service) }
        try await stack.waitUntilHealthy()
        return stack
    }

    private init(
        cluster: PostgresCluster, settings: [String: [String: String]], launchers: [String: [String]]
    ) async throws {
        self.cluster = cluster
        self.launchers = launchers
        directory = try TemporaryDirectory("stack")
        databaseURL = try await cluster.createDatabase()
        var ports: [String: Int] = [:]
        for service in Self.services { ports[service] = try FreePort.next() }
        self.ports = ports
        mqttPort = try FreePort.next()
        mqttWebSocketPort = try FreePort.next()
        coapPort = try FreePort.next()
        coapsPort = try FreePort.next()
        database = PostgresPool(
            configuration: PostgresConfiguration(
                url: databaseURL, applicationName: "stack", maximumConnections: 2, acquireTimeout: .seconds(60),
                statementTimeout: .seconds(60)))
        var environments: [String: [String: String]] = [:]
        for service in Self.services {
            let prefix = "MARTLET_" + service.uppercased().replacing("-", with: "_")
            var environment = [
                "MARTLET_BUS_SOCKET": directory.file("bus.sock"),
                "DATABASE_URL": databaseURL,
                "\(prefix)_HTTP_PORT": String(ports[service] ?? 0),
            ]
            if service == "bus" { environment["MARTLET_BUS_DATA"] = directory.file("bus") }
            if service == "things" {
                let path = directory.file("things-secrets-key")
                try Data((Data(repeating: 7, count: 32).base64EncodedString() + "\n").utf8)
                    .write(to: URL(fileURLWithPath: path))
                environment["MARTLET_THINGS_SECRETS_KEY_FILE"] = path
            }
            if service == "users" {
                environment["MARTLET_USERS_ADMIN_EMAIL"] = Self.adminEmail
                environment["MARTLET_USERS_ADMIN_PASSWORD"] = Self.adminPassword
            }
            if service == "mqtt-adapter" {
                environment["MARTLET_MQTT_ADAPTER_MQTT_PORT"] = String(mqttPort)
                environment["MARTLET_MQTT_ADAPTER_WEBSOCKET_PORT"] = String(mqttWebSocketPort)
                environment["MARTLET_MQTT_ADAPTER_STORE_PATH"] = directory.file("sessions.sqlite")
            }
            if service == "coap-adapter" {
                environment["MARTLET_COAP_ADAPTER_COAP_PORT"] = String(coapPort)
                environment["MARTLET_COAP_ADAPTER_TCP_PORT"] = String(coapPort)
                environment["MARTLET_COAP_ADAPTER_DTLS_PORT"] = String(coapsPort)
                environment["MARTLET_COAP_ADAPTER_TLS_PORT"] = String(coapsPort)
            }
            environments[service] = environment.merging(settings[service] ?? [:]) { _, new in new }
        }
        self.environments = environments
    }

    // MARK: Processes

    /// Starts a service that does not run.
    public func launch(_ service: String) throws {
        let command = try (launchers[service] ?? []) + [Executables.path(service)]
        let process = try ServiceProcess(
            program: command[0], arguments: Array(command.dropFirst()), environment: environments[service] ?? [:],
            log: directory.file("\(service).log"))
        processes.withLock { $0[service] = process }
    }

    public func process(_ service: String) throws -> ServiceProcess {
        guard let process = processes.withLock({ $0[service] }) else {
            throw ServiceProcess.Ended(description: "\(service) was never started")
        }
        return process
    }

    /// kill -9, and starts it again.
    public func killAndRestart(_ service: String) async throws {
        try await process(service).kill()
        try launch(service)
    }

    public func client(_ service: String, headers: [String: String] = [:]) -> HTTPClient {
        HTTPClient(port: ports[service] ?? 0, headers: headers)
    }

    /// Waits until every service's `/health` answers 200.
    public func waitUntilHealthy(_ services: [String] = Stack.services, deadline: Duration = .seconds(120)) async throws
    {
        for service in services {
            let client = client(service)
            try await process(service).wait("\(service) is healthy", deadline: deadline) {
                (try? await client.get("/health"))?.status == 200
            }
        }
    }

    /// The value of a metric's line in `/metrics` of a service, by the line's text up to the value.
    public func metric(_ service: String, _ line: String) async throws -> Double? {
        let text = try await client(service).get("/metrics").text
        return text.split(separator: "\n").first { $0.hasPrefix(line + " ") }
            .flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }
    }

    /// The folder of the bus's streams; only where the bus's data was not moved by a setting.
    public func streamDirectory(_ stream: String) -> String { directory.file("bus/streams/\(stream)") }

    /// Stops everything in order; what is left is killed with this object.
    public func stop() async throws {
        for service in Self.services.reversed() {
            if let process = processes.withLock({ $0[service] }), process.isRunning {
                // Below the 20 s after which ServiceKit gives up on a part that does not notice the signal: that must not go unnoticed.
                try await process.terminate(deadline: .seconds(15))
            }
        }
        database.close()
        try await cluster.stop()
    }
}

// MARK: - Entities

extension Stack {
    /// A thing that may publish on and read a channel.
    public struct Device: Sendable {
        public let thing: String
        public let key: String
        public let channel: String
        public var publishPath: String { "/channels/\(channel)/messages" }
        public var authorization: [String: String] { ["Authorization": "Thing \(key)"] }
    }

    public struct UnexpectedAnswer: Error, CustomStringConvertible {
        public let description: String
    }

    private struct Token: Decodable {
        enum CodingKeys: String, CodingKey { case accessToken = "access_token" }
        let accessToken: String
    }
    private struct Created: Decodable {
        struct Credentials: Decodable { let secret: String? }
        let id: String
        let credentials: Credentials?
    }

    /// Logs the first admin in, in a session of its own.
    /// - Parameter domain: where the token acts; the admin's personal one when nil.
    public func adminToken(domain: String? = nil) async throws -> String {
        var login = ["identity": Self.adminEmail, "secret": Self.adminPassword]
        login["domain_id"] = domain
        let answer = try await client("users").post("/users/tokens/issue", json: login)
        return try Self.expect(201, answer, "log in").json(Token.self).accessToken
    }

    /// A new domain of the first admin's.
    public func makeDomain() async throws -> String {
        let users = client("users", headers: ["Authorization": "Bearer \(try await adminToken())"])
        return try Self.expect(201, await users.post("/domains", json: ["name": "plant"]), "create a domain")
            .json(Created.self).id
    }

    /// Makes a thing, a channel and their connection over the API.
    public func makeDevice(token: String) async throws -> Device {
        let things = client("things", headers: ["Authorization": "Bearer \(token)"])
        let thing = try Self.expect(201, await things.post("/things", json: ["name": "device"]), "create a thing")
            .json(Created.self)
        let channel = try Self.expect(
            201, await things.post("/channels", json: ["name": "channel"]), "create a channel"
        )
        .json(Created.self)
        let answer = try await things.post("/connect", json: ["channel_ids": [channel.id], "thing_ids": [thing.id]])
        guard (200..<300).contains(answer.status) else {
            throw UnexpectedAnswer(description: "connect: \(answer.status) \(answer.text)")
        }
        guard let key = thing.credentials?.secret else { throw UnexpectedAnswer(description: "no key was shown") }
        return Device(thing: thing.id, key: key, channel: channel.id)
    }

    @discardableResult
    public static func expect(
        _ status: Int, _ answer: HTTPClient.Response, _ what: String
    ) throws -> HTTPClient.Response {
        guard answer.status == status else {
            throw UnexpectedAnswer(description: "\(what): \(answer.status) instead of \(status): \(answer.text)")
        }
        return answer
    }
}
