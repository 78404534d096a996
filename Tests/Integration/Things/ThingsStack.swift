// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import HTTPKit
import Identity
import Logging
import Messaging
import ServiceKit
import TestKit
import Testing

/// A bus daemon and `things` as programs of their own on a database of their own; `users` by its contract, with real tokens.
final class ThingsStack: Sendable {
    let directory: TemporaryDirectory
    let daemon: ServiceProcess
    let things: ServiceProcess
    let port: Int
    let databaseURL: String
    private let busSocket: String
    private let users: any Bus
    private let issuer: AccessTokenIssuer
    private let keys: PublicKeySet
    private let serving: Task<Void, Never>

    /// Where ``secretsKey(_:)`` writes.
    var secretsKeyPath: String { directory.file("secrets-key") }

    /// - Parameter hasSecretsKey: whether `things` has a key for pre-shared keys.
    static func start(hasSecretsKey: Bool = true) async throws -> ThingsStack {
        let directory = try TemporaryDirectory("things")
        let socket = directory.file("bus.sock")
        let daemon = try ServiceProcess.start(
            "bus", arguments: ["--bus-socket", socket, "--data", directory.file("bus"), "--http-port", "0"],
            log: directory.file("bus.log"))
        let port = try FreePort.next()
        let databaseURL = try await PostgresCluster.shared().createDatabase()
        var environment = [
            "MARTLET_BUS_SOCKET": socket, "MARTLET_THINGS_HTTP_PORT": String(port), "DATABASE_URL": databaseURL,
        ]
        if hasSecretsKey {
            let path = directory.file("secrets-key")
            try Data(Self.secretsKey(1).utf8).write(to: URL(fileURLWithPath: path))
            environment["MARTLET_THINGS_SECRETS_KEY_FILE"] = path
        }
        let things = try ServiceProcess.start(
            "things", environment: environment, log: directory.file("things.log"))
        let key = SigningKey()
        let stack = ThingsStack(
            directory: directory, daemon: daemon, things: things, port: port, databaseURL: databaseURL,
            busSocket: socket, issuer: try await AccessTokenIssuer(key: key, lifetimeSeconds: 600), key: key)
        try await things.wait("things is healthy") { try await stack.isHealthy() }
        return stack
    }

    /// A line of a file of keys.
    static func secretsKey(_ number: UInt8) -> String {
        Data(repeating: number, count: 32).base64EncodedString() + "\n"
    }

    private init(
        directory: TemporaryDirectory, daemon: ServiceProcess, things: ServiceProcess, port: Int, databaseURL: String,
        busSocket: String, issuer: AccessTokenIssuer, key: SigningKey
    ) {
        self.directory = directory
        self.daemon = daemon
        self.things = things
        self.port = port
        self.databaseURL = databaseURL
        self.busSocket = busSocket
        self.issuer = issuer
        let keys = PublicKeySet(keys: [key.publicKey])
        self.keys = keys
        let logger = Logger(label: "users")
        let bus = SocketBus.connect(SocketBusConfiguration(path: busSocket, name: "users"), logger: logger)
        users = bus
        serving = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    try? await bus.serve(Subjects.tokenKeys, queueGroup: "users", logger: logger) {
                        (_: RPC.Empty, _) in keys
                    }
                }
                group.addTask {
                    try? await bus.serve(Subjects.revokedSessions, queueGroup: "users", logger: logger) {
                        (_: RPC.Empty, _) in RevokedSessions(sessions: [])
                    }
                }
            }
        }
    }

    /// Healthy, and able to judge tokens.
    func isHealthy() async throws -> Bool {
        guard let response = try? await HTTPClient(port: port).get("/health"), response.status == 200 else {
            return false
        }
        return try await person(in: .new()).get("/things").status == 200
    }

    /// A person with a role in a domain.
    func person(_ role: Role = .editor, in domain: DomainID, user: UserID = .new()) async throws -> Person {
        let principal = Principal(user: user, session: .new(), domain: domain, role: role)
        let token = try await issuer.issue(principal, now: WallClock.system.now()).token
        return Person(
            client: HTTPClient(port: port, headers: ["Authorization": "Bearer \(token)"]), user: principal.user)
    }

    /// A connection to the bus under the name of an adapter.
    func adapterBus() async throws -> SocketBus { try await bus(named: "http-adapter") }

    /// A connection to the bus under the name of `users`.
    func usersBus() async throws -> SocketBus { try await bus(named: "users") }

    func bus(named name: String) async throws -> SocketBus {
        let bus = SocketBus.connect(
            SocketBusConfiguration(path: busSocket, name: name), logger: Logger(label: name))
        try await bus.waitUntilConnected(timeout: .seconds(60))
        return bus
    }

    func stop() async {
        serving.cancel()
        await users.close()
        await things.kill()
        await daemon.kill()
    }
}

/// Runs `body` with a stack of its own.
func withThings(
    hasSecretsKey: Bool = true, isolation: isolated (any Actor)? = #isolation,
    _ body: (ThingsStack) async throws -> Void
) async throws {
    let stack = try await ThingsStack.start(hasSecretsKey: hasSecretsKey)
    do {
        try await body(stack)
    } catch {
        await stack.stop()
        throw error
    }
    await stack.stop()
}

/// Speaks JSON to the API with a person's token.
struct Person: Sendable {
    let client: HTTPClient
    let user: UserID

    struct Answer: Sendable {
        let status: Int
        let headers: [String: String]
        let body: JSONValue

        /// The member at a path: `answer["credentials", "secret"]`.
        subscript(path: String...) -> JSONValue? {
            path.reduce(body as JSONValue?) { value, name in
                guard case .object(let members)? = value else { return nil }
                return members[name]
            }
        }

        func text(_ name: String) -> String? {
            guard case .string(let text)? = self[name] else { return nil }
            return text
        }

        func integer(_ name: String) -> Int? {
            guard case .integer(let value)? = self[name] else { return nil }
            return Int(value)
        }

        func list(_ name: String) -> [Answer] {
            guard case .array(let items)? = self[name] else { return [] }
            return items.map { Answer(status: status, headers: headers, body: $0) }
        }

        /// The stable slug of a refusal.
        var reason: String? { text("reason") }
    }

    func get(_ path: String) async throws -> Answer { try await send("GET", path) }
    func post(_ path: String, _ body: JSONValue? = nil) async throws -> Answer { try await send("POST", path, body) }
    func patch(_ path: String, _ body: JSONValue) async throws -> Answer { try await send("PATCH", path, body) }
    func put(_ path: String, _ body: JSONValue? = nil) async throws -> Answer { try await send("PUT", path, body) }
    func delete(_ path: String) async throws -> Answer { try await send("DELETE", path) }

    func send(_ method: String, _ path: String, _ body: JSONValue? = nil) async throws -> Answer {
        let bytes = try body.map { try [UInt8](JSONEncoder().encode($0)) }
        return try await send(method, path, bytes: bytes, contentType: body == nil ? nil : "application/json")
    }

    func send(_ method: String, _ path: String, bytes: [UInt8]?, contentType: String?) async throws -> Answer {
        let response = try await client.send(
            method, path, headers: contentType.map { ["Content-Type": $0] } ?? [:], body: bytes ?? [])
        let value = response.body.isEmpty ? .null : try response.json(JSONValue.self)
        return Answer(status: response.status, headers: response.headers, body: value)
    }

    /// A new thing: its identifier and key.
    func makeThing(_ body: JSONValue = [:]) async throws -> (id: ThingID, key: String) {
        let answer = try await post("/things", body)
        try #require(answer.status == 201)
        let id = try #require(answer.text("id").flatMap { ThingID($0) })
        guard case .string(let key)? = answer["credentials", "secret"] else {
            throw SystemError(call: "no key in \(answer.body)", code: 0)
        }
        return (id, key)
    }

    func makeChannel(_ body: JSONValue = [:]) async throws -> ChannelID {
        let answer = try await post("/channels", body)
        try #require(answer.status == 201)
        return try #require(answer.text("id").flatMap { ChannelID($0) })
    }

    func connect(_ thing: ThingID, _ channel: ChannelID, types: [String]? = nil) async throws -> Answer {
        try await post("/connect", Self.connection(thing, channel, types: types))
    }

    func disconnect(_ thing: ThingID, _ channel: ChannelID, types: [String]? = nil) async throws -> Answer {
        try await post("/disconnect", Self.connection(thing, channel, types: types))
    }

    private static func connection(_ thing: ThingID, _ channel: ChannelID, types: [String]?) -> JSONValue {
        var body: [String: JSONValue] = [
            "thing_ids": [.string(thing.description)], "channel_ids": [.string(channel.description)],
        ]
        if let types { body["types"] = .array(types.map(JSONValue.string)) }
        return .object(body)
    }
}
