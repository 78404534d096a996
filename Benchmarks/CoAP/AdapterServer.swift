// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// `coap-adapter` with what it needs: the stack, with things and a channel made over its API.
final class AdapterServer: RunningCoAPServer {
    static let executable = "coap-adapter"

    private struct CreatedThings: Decodable {
        struct Thing: Decodable {
            struct Credentials: Decodable { let secret: String }
            let id: String
            let credentials: Credentials
        }
        let things: [Thing]
    }
    private struct CreatedChannel: Decodable { let id: String }

    private let stack: Stack
    private let paths: [String]
    private let securePath: String
    private let keys: [SecureCoAPSocket.Key]

    /// - Parameter count: things, one for each client; at most 1,000, which is the most that one request makes.
    init(things count: Int) async throws {
        stack = try await Stack.start(
            // Room for everything that a run publishes: nobody stores it. The load's sockets are one machine's.
            settings: [
                "bus": ["MARTLET_BUS_MESSAGES_MAXIMUM_BYTES": String(UInt64(30) << 30)],
                // Observers are to be told of every message, however many a second.
                Self.executable: ["MARTLET_COAP_ADAPTER_OBSERVER_MESSAGES_PER_SECOND": "100000"],
            ],
            databaseSettings: PostgresCluster.benchmarkSettings)
        // Nothing is measured beside a writer that stores.
        try await stack.process("writer-postgres").terminate()
        let token = try await stack.adminToken()
        let things = stack.client("things", headers: ["Authorization": "Bearer \(token)"])
        let names = (0..<count).map { ["name": "device-\($0)"] }
        let created = try Stack.expect(201, await things.post("/things/bulk", json: names), "create things")
            .json(CreatedThings.self).things
        let made = try Stack.expect(
            201, await things.post("/channels", json: ["name": "load"]), "create a channel"
        ).json(CreatedChannel.self)
        let connections = ["channel_ids": [made.id], "thing_ids": created.map(\.id)]
        try Stack.expect(200, await things.post("/connect", json: connections), "connect")
        paths = created.map { "/channels/\(made.id)/messages/load?auth=\($0.credentials.secret)" }
        securePath = "/channels/\(made.id)/messages/load"
        var keys: [SecureCoAPSocket.Key] = []
        for (number, thing) in created.enumerated() {
            let secret = (0..<32).map { UInt8(truncatingIfNeeded: number &* 7 &+ $0) }
            let text = secret.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let body = Array(#"{"secret":"\#(text)","encoding":"hex"}"#.utf8)
            let response = try await things.send(
                "PUT", "/things/\(thing.id)/psk", headers: ["Content-Type": "application/json"], body: body)
            try Stack.expect(200, response, "set a pre-shared key")
            keys.append(SecureCoAPSocket.Key(identity: thing.id, secret: secret))
        }
        self.keys = keys
        try await server.waitUntilServing()
    }

    var server: CoAPServer {
        let members = [Self.executable, "bus"].compactMap { name in
            (try? stack.process(name)).map { CoAPServer.Member(name: name, process: $0) }
        }
        func publication(_ path: String) -> CoAPDatagram {
            .request(
                .confirmable, .post, path, messageID: 0, token: [0, 0, 0, 0],
                options: [.init(CoAPDatagram.Number.contentFormat, CoAPServer.contentFormat)],
                payload: CoAPServer.payload)
        }
        return CoAPServer(
            name: Self.executable, port: stack.coapPort, securePort: stack.coapsPort,
            publications: paths.map(publication), securePublications: keys.map { (publication(securePath), $0) },
            observations: paths.map { path in
                .request(
                    .confirmable, .get, path, messageID: 0, token: [0, 0, 0, 0],
                    options: [.init(CoAPDatagram.Number.observe, 0)])
            }, members: members)
    }

    func stop() async throws { try await stack.stop() }
}
