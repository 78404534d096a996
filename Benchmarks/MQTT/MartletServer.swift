// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// `mqtt-adapter` with what it needs: the stack's bus, things and PostgreSQL, with things and a channel made over their API.
///
/// The adapter is started here and not by the stack, so that the stack does not have to know it.
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
    private let port: UInt16
    private let accounts: [MQTTBroker.Account]
    private let channel: String
    private var process: ServiceProcess

    /// - Parameter count: at most 1,000, which is the most things that one request makes.
    init(accounts count: Int) async throws {
        stack = try await Stack.start(
            // Room for everything that a run publishes: nobody stores it.
            settings: ["bus": ["MARTLET_BUS_MESSAGES_MAXIMUM_BYTES": String(UInt64(30) << 30)]],
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
        port = UInt16(try FreePort.next())
        process = try ServiceProcess.start(
            Self.executable,
            environment: [
                "MARTLET_BUS_SOCKET": stack.directory.file("bus.sock"),
                "MARTLET_MQTT_ADAPTER_HTTP_PORT": String(try FreePort.next()),
                "MARTLET_MQTT_ADAPTER_MQTT_PORT": String(port),
                "MARTLET_MQTT_ADAPTER_WEBSOCKET_PORT": String(try FreePort.next()),
                "MARTLET_MQTT_ADAPTER_STORE_PATH": stack.directory.file("sessions.sqlite"),
                // The idle connections' and the load's together.
                "MARTLET_MQTT_ADAPTER_CONNECTIONS_MAXIMUM": "20000",
            ], log: stack.directory.file("\(Self.executable).log"))
        try await waitUntilServing()
    }

    var broker: MQTTBroker {
        var members = [MQTTBroker.Member(name: Self.executable, process: process)]
        if let bus = try? stack.process("bus") { members.append(.init(name: "bus", process: bus)) }
        return MQTTBroker(
            name: Self.executable, port: port, accounts: accounts, channel: channel, members: members)
    }

    func restart() async throws {
        try await process.terminate()
        process = try process.startAgain()
        try await waitUntilServing()
    }

    /// kill -9, and at once started again.
    func crash() async throws {
        await process.kill()
        process = try process.startAgain()
    }

    func stop() async throws {
        try await process.terminate()
        try await stack.stop()
    }
}
