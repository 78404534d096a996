// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestKit
import Testing

/// MQTT by way of the front door, with the real services behind it, and what operators see of it there.
@Suite(.serialized) struct MQTTFrontDoorTests {
    private struct Clients: Decodable {
        struct Client: Decodable {
            let client: String
            let listener: String?
            let address: String?
        }
        let clients: [Client]
    }

    @Test func overWebSocket() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let token = try await stack.adminToken(domain: try await stack.makeDomain())
        let device = try await stack.makeDevice(token: token)
        let topic = "channels/\(device.channel)/messages"
        let client = try ServiceProcess(
            program: Repository.file(".build/programs/bin/python"),
            arguments: [
                Repository.file("Tests/Integration/MQTTAdapter/paho_client.py"), "websockets", "\(door.port)", "",
                device.thing, device.key, topic, "5",
            ], log: stack.directory.file("paho.log"))
        #expect(try await client.waitForExit(deadline: .seconds(120)) == .exited(0), "\(client.log)")
        #expect(client.log.contains("5 messages came back"))
        // Nothing else than MQTT is behind it.
        let other = try await HTTPClient(port: door.port).get("/mqtt")
        #expect(other.status == 426)
        try await stack.stop()
    }

    @Test func operatorsSeeClientsAndEndThem() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let martlet = try MartletClient(url: door.url)
        try await martlet.expect(
            0, "login", "--identity", Stack.adminEmail, "--password-stdin", input: Stack.adminPassword)
        let token = try await stack.adminToken()
        let device = try await stack.makeDevice(token: token)
        let topic = "channels/\(device.channel)/messages"
        let subscriber = try ServiceProcess(
            program: try Executables.system("mosquitto_sub"),
            arguments: [
                "-h", "127.0.0.1", "-p", "\(stack.mqttPort)", "-u", device.thing, "-P", device.key, "-V", "mqttv5",
                "-i", "hall 2/sensor", "-c", "-x", "3600", "-q", "1", "-t", topic, "-C", "1",
            ], log: stack.directory.file("sub.log"))
        try await eventually("it is seen") {
            let list = try await martlet.expect(0, "clients", "--thing", device.thing, "--json").output
            let found = try JSONDecoder().decode(Clients.self, from: Data(list.utf8))
            return found.clients.first?.client == "hall 2/sensor" && found.clients.first?.listener == "tcp"
        }
        let shown = try await martlet.expect(0, "clients", "show", device.thing, "hall 2/sensor", "--json").json()
        #expect((shown["subscriptions"] as? [[String: Any]])?.first?["filter"] as? String == topic)
        try await martlet.expect(0, "clients", "disconnect", device.thing, "hall 2/sensor", "--session")
        try await eventually("the journal has it") {
            let seen = try await martlet.expect(
                0, "journal", "--operation", "client.session-ended", "--entity", device.thing, "--json"
            ).json()
            return (seen["journals"] as? [Any])?.count == 1
        }
        try await martlet.expect(1, "clients", "show", device.thing, "nobody")
        subscriber.signal(SIGTERM)
        try await stack.stop()
    }
}
