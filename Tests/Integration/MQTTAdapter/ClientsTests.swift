// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// Clients that others wrote, over every transport.
@Suite(.serialized) struct ClientsTests {
    private func run(
        _ program: String, _ arguments: [String], in stack: MQTTStack, log: String
    ) throws -> ServiceProcess {
        try ServiceProcess(program: program, arguments: arguments, log: stack.directory.file(log))
    }

    private func mosquitto(_ stack: MQTTStack, _ device: ThingsByContract.Device, tls: Bool) -> [String] {
        ["-h", "localhost", "-u", device.id.description, "-P", device.key]
            + (tls
                ? ["-p", "\(stack.tlsPort)", "--cafile", stack.certificate] : ["-p", "\(stack.port)"])
    }

    @Test(arguments: [false, true], ["mqttv311", "mqttv5"])
    func mosquittoPublishesAndSubscribes(tls: Bool, version: String) async throws {
        try await withMQTT(tls: tls) { stack in
            let subscriber = try run(
                try Executables.system("mosquitto_sub"),
                mosquitto(stack, stack.things.listener, tls: tls)
                    + ["-V", version, "-q", "2", "-t", stack.topic("#"), "-C", "3", "-W", "60", "-d"], in: stack,
                log: "sub.log")
            // It writes its log when it ends.
            try await eventually("it has subscribed") { try await stack.metric("martlet_mqtt_subscriptions") == 1 }
            for qos in 0...2 {
                let publisher = try run(
                    try Executables.system("mosquitto_pub"),
                    mosquitto(stack, stack.things.publisher, tls: tls)
                        + ["-V", version, "-q", "\(qos)", "-t", stack.topic("t"), "-m", "reading \(qos)"],
                    in: stack, log: "pub\(qos).log")
                #expect(try await publisher.waitForExit() == .exited(0), "\(publisher.log)")
            }
            #expect(try await subscriber.waitForExit() == .exited(0), "\(subscriber.log)")
            #expect(subscriber.log.contains("Subscribed (mid: 1): 2"))
            for qos in 0...2 { #expect(subscriber.log.contains("reading \(qos)")) }
            let stored = try await stack.stored().map { String(buffer: $0.payload) }
            #expect(stored == ["reading 0", "reading 1", "reading 2"])
            // What it is refused with.
            let stranger = try run(
                try Executables.system("mosquitto_pub"),
                ["-h", "localhost", "-p", "\(tls ? stack.tlsPort : stack.port)", "-V", version, "-u", "x", "-P", "y"]
                    + (tls ? ["--cafile", stack.certificate] : []) + ["-t", stack.topic(), "-m", "x"],
                in: stack, log: "stranger.log")
            #expect(try await stranger.waitForExit() != .exited(0))
            #expect(stranger.log.lowercased().contains("bad user name or password"), "\(stranger.log)")
        }
    }

    @Test(arguments: ["tcp", "tls", "websockets", "wss"])
    func pahoSpeaksVersionFive(transport: String) async throws {
        try await withMQTT(tls: true) { stack in
            let port =
                [
                    "tcp": stack.port, "tls": stack.tlsPort, "websockets": stack.webSocketPort,
                    "wss": stack.webSocketTLSPort,
                ][
                    transport] ?? 0
            let client = try run(
                Repository.file(".build/programs/bin/python"),
                [
                    Repository.file("Tests/Integration/MQTTAdapter/paho_client.py"), transport, "\(port)",
                    stack.certificate, stack.things.publisher.id.description, stack.things.publisher.key,
                    stack.topic("paho"), "25",
                ], in: stack, log: "paho.log")
            #expect(try await client.waitForExit(deadline: .seconds(120)) == .exited(0), "\(client.log)")
            #expect(client.log.contains("25 messages came back"))
            #expect(try await stack.stored().count == 25)
        }
    }

    @Test func whatIsNotMQTTOverWebSocketIsTold() async throws {
        try await withMQTT { stack in
            let client = HTTPClient(port: stack.webSocketPort)
            let elsewhere = try await client.get("/").status
            let here = try await client.get("/mqtt").status
            #expect(elsewhere == 404)
            #expect(here == 426)
        }
    }
}
