// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// `mqtt-adapter` with what it needs: the stack, with things and a channel made over its API.
final class MartletServer: MQTTServer {
    static let executable = "mqtt-adapter"

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
    private let accounts: [MQTTBroker.Account]
    private let channel: String
    /// - Parameter count: at most 1,000, which is the most things that one request makes.
    init(accounts count: Int) async throws {
        stack = try await Stack.start(
            // Room for everything that a run publishes: nobody stores it.
            settings: [
                "bus": ["MARTLET_BUS_MESSAGES_MAXIMUM_BYTES": String(UInt64(30) << 30)],
                // The idle connections' and the load's together.
                Self.executable: ["MARTLET_MQTT_ADAPTER_CONNECTIONS_MAXIMUM": "20000"],
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
        accounts = created.map { .init(userName: $0.id, password: $0.credentials.secret) }
        channel = made.id
        try await waitUntilServing()
    }

    var broker: MQTTBroker {
        let members = [Self.executable, "bus"].compactMap { name in
            (try? stack.process(name)).map { MQTTBroker.Member(name: name, process: $0) }
        }
        return MQTTBroker(
            name: Self.executable, port: UInt16(stack.mqttPort), accounts: accounts, channel: channel, members: members)
    }

    func restart() async throws {
        try await stack.killAndRestart(Self.executable)
        try await waitUntilServing()
    }

    /// kill -9, and at once started again.
    func crash() async throws { try await stack.killAndRestart(Self.executable) }

    func stop() async throws { try await stack.stop() }
}
