// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Bus
import Core
import Foundation
import Identity
import Logging
import NIOCore
import TestKit

struct TokenPair: Decodable, Sendable {
    var access_token: String
    var refresh_token: String
    var access_type: String

    var bearer: [String: String] { ["Authorization": "Bearer \(access_token)"] }
    /// With the content type of a JSON body.
    var bearerJSON: [String: String] { bearer.merging(["Content-Type": "application/json"]) { $1 } }
}

/// A user or a domain.
struct EntityBody: Decodable, Sendable {
    struct Credentials: Decodable, Sendable { var identity: String }
    var id: String
    var name: String
    var status: String
    var credentials: Credentials?
    var default_domain: String?
    var role: String?
    var route: String?
}

struct ProblemBody: Decodable, Sendable {
    var status: Int
    var reason: String
    var error: String
    var detail: String
}

extension UsersFixture {
    struct Unexpected: Error, CustomStringConvertible {
        var description: String
    }

    @discardableResult
    func expect(_ status: Int, _ response: HTTPClient.Response) throws -> HTTPClient.Response {
        guard response.status == status else {
            throw Unexpected(description: "\(response.status) instead of \(status): \(response.text)")
        }
        return response
    }

    /// Registers a user in dialect D2.
    @discardableResult
    func register(_ identity: String) async throws -> EntityBody {
        struct Body: Encodable {
            var name: String
            var credentials: [String: String]
        }
        let body = Body(name: identity, credentials: ["identity": identity, "secret": "a long secret"])
        return try expect(201, await client.post("/users", json: body)).json()
    }

    func logIn(_ identity: String, secret: String = "a long secret", domain: String? = nil) async throws -> TokenPair {
        var body = ["identity": identity, "secret": secret]
        body["domain_id"] = domain
        return try expect(201, await client.post("/users/tokens/issue", json: body)).json()
    }

    /// Sends JSON text in the name of `who`.
    func send(_ method: String, _ path: String, _ json: String = "", as who: TokenPair? = nil) async throws
        -> HTTPClient.Response
    {
        var headers = who?.bearer ?? [:]
        if !json.isEmpty { headers["Content-Type"] = "application/json" }
        return try await client.send(method, path, headers: headers, body: Array(json.utf8))
    }

    /// The path of a template of the document.
    /// - Parameter absent: for what is named below the first identifier.
    static func path(_ template: String, id: String, absent: String = UserID.new().description) -> String {
        ["{role}", "{group}", "{invitation}"].reduce(template.replacing("{id}", with: id)) {
            $0.replacing($1, with: absent)
        }
    }

    /// The value of an unlabelled metric, or of one with the labels as they stand in the exposition.
    func metric(_ name: String) async throws -> Double? {
        let lines = try await client.get("/metrics").text.split(separator: "\n")
        return lines.first { $0.hasPrefix(name + " ") }?.split(separator: " ").last.flatMap { Double($0) }
    }

    /// What was announced on a subject so far.
    func announced(_ subject: String) async throws -> [String] {
        let connection = SocketBus.connect(
            SocketBusConfiguration(path: bus.socket, name: "martlet"),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await connection.waitUntilConnected(timeout: .seconds(60))
        let stored = try await connection.read(stream: "events", from: 1, maximumBytes: 4 << 20)
        await connection.close()
        return stored.filter { $0.subject == subject }.map { String(buffer: $0.payload) }
    }

    func admin() async throws -> TokenPair { try await logIn(Self.adminEmail, secret: Self.adminPassword) }

    func refresh(_ token: String) async throws -> HTTPClient.Response {
        try await client.post("/users/tokens/refresh", text: "", headers: ["Authorization": "Bearer \(token)"])
    }

    /// A verifier as another service has it, on a connection of its own, ready.
    func withVerifier(_ body: (BusTokenVerifier) async throws -> Void) async throws {
        let logger = Logger(label: "verifier") { _ in SwiftLogNoOpLogHandler() }
        let connection = SocketBus.connect(
            SocketBusConfiguration(path: bus.socket, name: "reader-postgres"), logger: logger)
        let verifier = BusTokenVerifier(bus: connection, logger: logger)
        let run = Task { try await verifier.run() }
        defer { run.cancel() }
        try await eventually("the verifier is ready") { verifier.isReady }
        try await body(verifier)
        await connection.close()
    }
}

extension UsersFixture {
    /// The real `things` on the same bus.
    /// - Parameter body: gets a client of it, and what waits until it takes a token.
    func withThings(
        _ body: (HTTPClient, _ ready: (TokenPair) async throws -> Void) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory("users-things")
        let port = try FreePort.next()
        let things = try ServiceProcess.start(
            "things",
            environment: [
                "MARTLET_BUS_SOCKET": bus.socket, "MARTLET_THINGS_HTTP_PORT": String(port),
                "DATABASE_URL": try await PostgresCluster.shared().createDatabase(),
            ], log: directory.file("things.log"))
        let client = HTTPClient(port: port)
        try await body(client) { pair in
            try await things.wait("things takes the tokens of users") {
                (try? await client.get("/things", headers: pair.bearer).status) == 200
            }
        }
        await things.kill()
    }
}

/// Why a token is refused; nil when it is not.
func refusal(_ token: String, by verifier: BusTokenVerifier) async -> String? {
    do {
        _ = try await verifier.verify(token)
        return nil
    } catch {
        return error.reason
    }
}
