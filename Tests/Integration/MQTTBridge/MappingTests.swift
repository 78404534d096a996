// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore
import TestKit
import Testing

/// Messages both ways, by mappings with wildcards and every quality of service.
@Suite(.serialized) struct MappingTests {
    private static func setup(_ version: String) -> Setup {
        var setup = Setup()
        setup.version = version
        setup.incoming = """
            [{"topic":"plant/+/state","channel":"CHANNEL","subtopic":"state/{1}","qos":0},
             {"topic":"lines/+/#","channel":"CHANNEL","subtopic":"in/{2}/of/{1}","qos":1},
             {"topic":"exact/#","channel":"CHANNEL","qos":2}]
            """
        setup.outgoing = """
            [{"channel":"CHANNEL","subtopic":"zero/+","topic":"out/zero/{1}","qos":0},
             {"channel":"CHANNEL","subtopic":"one/#","topic":"out/one/{1}","qos":1},
             {"channel":"press-line","subtopic":"two/#","topic":"out/{channel}/{subtopic}","qos":2,"retain":true}]
            """
        return setup
    }

    @Test(arguments: ["3.1.1", "5"]) func messagesGoBothWays(version: String) async throws {
        try await withBridge(Self.setup(version)) { stack in
            let senml = #"[{"n":"t","v":21.5}]"#
            try await stack.remote.publish("on", "plant/press/state", qos: 0)
            try await stack.remote.publish(senml, "lines/7/press/temperature", qos: 1)
            try await stack.remote.publish(#"{"a":1}"#, "lines/8", qos: 2)
            try await stack.remote.publish("42", "exact/a/b", qos: 2)
            try await eventually("all are stored") { try await stack.stored().count == 4 }
            let stored = try await stack.stored()
            let seen = Set(stored.map { "\($0.subtopic) \($0.contentType.mediaType) \(String(buffer: $0.payload))" })
            #expect(
                seen == [
                    "state.press application/octet-stream on",
                    "in.press.temperature.of.7 application/senml+json \(senml)",
                    #"in.of.8 application/json {"a":1}"#, "exact.a.b application/octet-stream 42",
                ])
            for message in stored {
                #expect(message.channel == stack.things.channel)
                #expect(message.domain == stack.things.domain)
                #expect(message.publisher == stack.things.publisher.id)
                #expect(message.transport == .mqtt)
            }

            let subscriber = try await stack.remote.subscribe("out/#")
            try await stack.publish("z", "zero.a")
            try await stack.publish("o", "one.a.b")
            try await stack.publish("t", "two.a")
            try await stack.publish("elsewhere", "three")
            try await subscriber.waitForLine("out/zero/a 0 0 z")
            try await subscriber.waitForLine("out/one/a/b 1 0 o")
            try await subscriber.waitForLine("out/\(stack.things.channel)/two/a 2 0 t")
            #expect(subscriber.lines.count == 3)
            let late = try await stack.remote.subscribe("out/#")
            try await late.waitForLine("out/\(stack.things.channel)/two/a 2 1 t")
            try await eventually("the counters say so") {
                try await stack.metric(#"martlet_mqtt_bridge_forwarded_total{remote="plant"}"#) == 3
            }
            #expect(try await stack.metric(#"martlet_mqtt_bridge_stored_total{remote="plant"}"#) == 4)
        }
    }

    @Test func contentTypesTravelInProperties() async throws {
        try await withBridge(Self.setup("5")) { stack in
            try await stack.remote.publish(
                "<a/>", "exact/xml", more: ["-V", "mqttv5", "-D", "publish", "content-type", "application/xml"])
            try await eventually("it is stored") { try await stack.stored().count == 1 }
            let stored = try await stack.stored()
            #expect(stored.first?.contentType == .other("application/xml"))
            let subscriber = try await stack.remote.subscribe("out/#", version: "mqttv5", format: "%t %C %p")
            try await stack.publish(#"{"a":2}"#, "one.json", contentType: .json)
            try await subscriber.waitForLine(#"out/one/json application/json {"a":2}"#)
        }
    }

    @Test(arguments: ["3.1.1", "5"]) func mappingsThatFeedEachOtherDoNotEcho(version: String) async throws {
        var setup = Setup()
        setup.version = version
        setup.incoming = #"[{"topic":"shared/#","channel":"CHANNEL","subtopic":"{1}","qos":1}]"#
        setup.outgoing = #"[{"channel":"CHANNEL","topic":"shared/{subtopic}","qos":1}]"#
        try await withBridge(setup) { stack in
            let subscriber = try await stack.remote.subscribe("shared/#")
            for number in 0..<20 {
                try await stack.publish("same", "local")
                try await stack.remote.publish("remote \(number)", "shared/remote")
            }
            try await stack.publish("end", "last")
            try await stack.remote.publish("remote end", "shared/last")
            try await subscriber.waitForLine("shared/last 1 0 end")
            try await eventually("what the remote sent is stored") {
                try await stack.storedTexts("last").contains("remote end")
            }
            try await eventually("every echo was seen, and none let through") {
                let inward = try await stack.metric(
                    #"martlet_mqtt_bridge_echoes_total{remote="plant",direction="in"}"#)
                let outward = try await stack.metric(
                    #"martlet_mqtt_bridge_echoes_total{remote="plant",direction="out"}"#)
                return inward == 21 && outward == 21
            }
            #expect(try await stack.stored().count == 42)
            #expect(subscriber.lines.count == 42)
        }
    }

    @Test func garbageIsCountedByReason() async throws {
        var setup = Self.setup("5")
        setup.arguments = ["--payload-maximum-bytes", "1000"]
        try await withBridge(setup) { stack in
            let senml = ["-V", "mqttv5", "-D", "publish", "content-type", "application/senml+json"]
            try await stack.remote.publish("[{", "exact/a", more: senml)
            try await stack.remote.publish(
                "{", "exact/a", qos: 2, more: ["-V", "mqttv5", "-D", "publish", "content-type", "application/json"])
            try await stack.remote.publish("x", "exact/with.dot")
            try await stack.remote.publish("x", "exact/with space")
            try await stack.remote.publish(String(repeating: "x", count: 1_001), "exact/large")
            try await stack.remote.publish("good", "exact/good")
            try await eventually("the good one is stored") { try await stack.stored().count == 1 }
            let refused = "martlet_mqtt_bridge_refused_total{remote=\"plant\",direction=\"in\",reason=\""
            for reason in ["path-dot", "path-space", "payload-too-large"] {
                #expect(try await stack.metric(refused + reason) == 1, "\(reason)")
            }
            #expect(try await stack.metric(refused + "json") + stack.metric(refused + "senml") == 2)
            #expect(try await stack.metric(refused) == 5)
        }
    }
}
