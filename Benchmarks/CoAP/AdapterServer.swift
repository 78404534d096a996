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
        try await server.waitUntilServing()
    }

    var server: CoAPServer {
        let members = [Self.executable, "bus"].compactMap { name in
            (try? stack.process(name)).map { CoAPServer.Member(name: name, process: $0) }
        }
        return CoAPServer(
            name: Self.executable, port: stack.coapPort,
            publications: paths.map { path in
                .request(
                    .confirmable, .post, path, messageID: 0, token: [0, 0, 0, 0],
                    options: [.init(CoAPDatagram.Number.contentFormat, CoAPServer.contentFormat)],
                    payload: CoAPServer.payload)
            },
            observations: paths.map { path in
                .request(
                    .confirmable, .get, path, messageID: 0, token: [0, 0, 0, 0],
                    options: [.init(CoAPDatagram.Number.observe, 0)])
            }, members: members)
    }

    func stop() async throws { try await stack.stop() }
}
