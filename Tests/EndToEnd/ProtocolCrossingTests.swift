// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

/// What comes by one protocol reaches who listens by another: real clients, all services.
@Suite(.serialized) struct ProtocolCrossingTests {
    @Test("CoAP to WebSocket and MQTT; MQTT and HTTP to CoAP")
    func coap() async throws {
        let stack = try await Stack.start()
        let device = try await stack.makeDevice(token: try await stack.adminToken(domain: try await stack.makeDomain()))
        let path = "/channels/\(device.channel)/messages"
        let resource = "coap://127.0.0.1:\(stack.coapPort)\(path)/hall?auth=\(device.key)"

        let socket = try await wire(try #require(stack.ports["http-adapter"])) { port in
            try WebSocketClient(
                port: port, path: path, fields: ["Authorization: Thing \(device.key)"], subprotocol: "martlet.v1+json")
        }
        #expect(socket.response.status == 101)
        let credentials = [
            "-h", "127.0.0.1", "-p", "\(stack.mqttPort)", "-u", device.thing, "-P", device.key, "-q", "1",
        ]
        let subscriber = try ServiceProcess(
            program: Executables.system("mosquitto_sub"),
            arguments: credentials + ["-t", "channels/\(device.channel)/messages/#", "-C", "1", "-v"],
            log: stack.directory.file("subscriber.log"))
        try await eventually("it subscribes") {
            try await stack.metric("mqtt-adapter", "martlet_mqtt_subscriptions") == 1
        }
        let post = try ServiceProcess(
            program: Executables.system("coap-client-notls"),
            arguments: ["-v", "7", "-m", "post", "-t", "110", "-e", #"[{"n":"t","v":1}]"#, resource],
            log: stack.directory.file("post.log"))
        #expect(try await post.waitForExit() == .exited(0))
        #expect(post.log.contains("c:2.04"))
        let frame = try await wire(socket) { socket in
            while true {
                let frame = try socket.receive()
                if frame.member("type") == "message" { return frame }
            }
        }
        #expect(frame.text.contains(#""payload":[{"n":"t","v":1}]"#), "\(frame.text)")
        #expect(try await subscriber.waitForExit() == .exited(0))
        #expect(subscriber.log.contains(#"/messages/hall [{"n":"t","v":1}]"#), "\(subscriber.log)")

        let observer = try ServiceProcess(
            program: Executables.system("coap-client-notls"), arguments: ["-v", "7", "-s", "8", "-w", resource],
            log: stack.directory.file("observer.log"))
        try await eventually("it observes") { try await stack.metric("coap-adapter", "martlet_coap_observers") == 1 }
        let publish = try ServiceProcess(
            program: Executables.system("mosquitto_pub"),
            arguments: credentials + [
                "-t", "channels/\(device.channel)/messages/hall", "-m", #"[{"n":"t","v":2}]"#,
            ], log: stack.directory.file("publish.log"))
        #expect(try await publish.waitForExit() == .exited(0))
        // Until the observer's address is known to receive, only the newest is kept for it.
        try await eventually("it is notified") {
            try await stack.metric("coap-adapter", #"martlet_coap_notifications_total{confirmable="true"}"#) == 1
        }
        let client = stack.client("http-adapter", headers: ["Authorization": "Thing \(device.key)"])
        let answer = try await client.post(
            "\(path)/hall", text: #"[{"n":"t","v":3}]"#, headers: ["Content-Type": "application/senml+json"])
        #expect(answer.status == 202, "\(answer.text)")
        #expect(try await observer.waitForExit(deadline: .seconds(60)) == .exited(0))
        for value in 1...3 { #expect(observer.log.contains(#""v":\#(value)"#), "\(observer.log)") }
        try await stack.stop()
    }
}
