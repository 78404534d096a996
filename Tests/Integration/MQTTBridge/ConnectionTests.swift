// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

/// Who is let in, on which connection, and what the bridge says when it is not.
@Suite(.serialized) struct ConnectionTests {
    private static let incoming = #"[{"topic":"in/#","channel":"CHANNEL","subtopic":"{1}","qos":1}]"#
    private static let outgoing = #"[{"channel":"CHANNEL","subtopic":"out/#","topic":"out/{1}","qos":1}]"#

    private static func setup(_ authority: String) -> Setup {
        var setup = Setup()
        setup.tls = true
        setup.incoming = incoming
        setup.outgoing = outgoing
        setup.more = #","tls":{"authority_file":"\#(authority)"}"#
        return setup
    }

    @Test func serverIsKnownByItsAuthority() async throws {
        try await withBridge(Self.setup("DIRECTORY/tls/certificate.pem")) { stack in
            let subscriber = try await stack.remote.subscribe("out/#")
            try await stack.remote.publish("over TLS", "in/a")
            try await stack.publish("over TLS too", "out.b")
            try await subscriber.waitForLine("out/b 1 0 over TLS too")
            try await eventually("it is stored") { try await stack.storedTexts("a") == ["over TLS"] }
        }
    }

    @Test func serverOfAnotherAuthorityIsNotBelieved() async throws {
        let other = try TemporaryDirectory("other")
        let maker = try ServiceProcess(
            program: Repository.file("deploy/local/certificate"), arguments: [other.file("tls"), "localhost"],
            log: other.file("certificate.log"))
        try await maker.waitForExit()
        var setup = Self.setup(other.file("tls/certificate.pem"))
        setup.waitsUntilUp = false
        try await withBridge(setup) { stack in
            try await stack.bridge.wait("the bridge says that it does not believe the server") {
                guard let health = try? await stack.health() else { return false }
                return health.status == 503 && health.text.contains("certificate verify failed")
            }
            #expect(stack.log.contains("the remote broker does not let the bridge in"))
            #expect(try await stack.metric("martlet_mqtt_bridge_connects_total") == 0)
        }
    }

    @Test func clientShowsItsCertificate() async throws {
        try await withBridge(Self.mutual("elsewhere", #","verify_server_name":false"#)) { stack in
            let connected = try await stack.metric("martlet_mqtt_bridge_connected")
            #expect(connected == 2)
        }
    }

    @Test func serverOfAnotherNameIsNotBelieved() async throws {
        // The same certificate is good for the name that it carries.
        try await withBridge(Self.mutual("localhost", "")) { stack in
            let connected = try await stack.metric("martlet_mqtt_bridge_connected")
            #expect(connected == 2)
        }
        var setup = Self.mutual("elsewhere", "")
        setup.waitsUntilUp = false
        try await withBridge(setup) { stack in
            try await stack.bridge.wait("the bridge says that it does not believe the server") {
                (try? await stack.health())?.status == 503
            }
            let connects = try await stack.metric("martlet_mqtt_bridge_connects_total")
            #expect(connects == 0)
        }
    }

    private static func mutual(_ name: String, _ more: String) -> Setup {
        var setup = Setup()
        setup.mutualTLSName = name
        setup.incoming = incoming
        setup.outgoing = outgoing
        setup.more = ##"""
            ,"tls":{"authority_file":"DIRECTORY/mutual.pem","certificate_file":"DIRECTORY/mutual.pem",
            "key_file":"DIRECTORY/mutual.key"\##(more)}
            """##
        return setup
    }

    @Test(arguments: ["3.1.1", "5"]) func wrongPasswordIsToldAndTriedAgain(version: String) async throws {
        var setup = Setup()
        setup.version = version
        setup.incoming = Self.incoming
        setup.outgoing = Self.outgoing
        try await withBridge(setup) { stack in
            await stack.killBridge()
            let file = stack.directory.file("password")
            try "wrong".write(toFile: file, atomically: true, encoding: .utf8)
            try stack.startBridge()
            try await stack.bridge.wait("the bridge is down") {
                guard let health = try? await stack.health() else { return false }
                return health.status == 503 && health.text.lowercased().contains("not authori")
            }
            #expect(stack.log.contains("the remote broker does not let the bridge in"))
            let refusals = stack.remote.log.components(separatedBy: "disconnected, not authorised").count
            try await eventually("it tries again") {
                stack.remote.log.components(separatedBy: "disconnected, not authorised").count > refusals
            }
            try await stack.publish("waits", "out.a")
            let subscriber = try await stack.remote.subscribe("out/#")
            try RemoteBroker.password.write(toFile: file, atomically: true, encoding: .utf8)
            try await stack.waitUntilUp()
            try await subscriber.waitForLine("out/a 1 0 waits")
        }
    }

    @Test func revokedRightStopsItsMapping() async throws {
        var setup = Setup()
        setup.incoming = Self.incoming
        setup.outgoing = Self.outgoing
        try await withBridge(setup) { stack in
            let subscriber = try await stack.remote.subscribe("out/#")
            try await stack.remote.publish("before", "in/a")
            try await stack.publish("before", "out.a")
            try await subscriber.waitForLine("out/a 1 0 before")
            try await eventually("it is stored") { try await stack.storedTexts("a") == ["before"] }
            try await stack.things.narrow(stack.things.publisher)
            try await eventually("the mapping in is stopped") {
                try await stack.health().text.contains("remotes[0].in[0]: stopped, publish-not-allowed")
            }
            try await eventually("its subscription is given back") {
                stack.remote.log.contains("Received UNSUBSCRIBE from martlet-plant-in")
            }
            try await stack.remote.publish("after", "in/a")
            try await stack.publish("still", "out.a")
            try await subscriber.waitForLine("out/a 1 0 still")
            #expect(try await stack.storedTexts("a") == ["before"])
            try await stack.things.disconnect(stack.things.publisher)
            try await eventually("the mapping out is stopped") {
                try await stack.health().text.contains("remotes[0].out[0]: stopped")
            }
            try await stack.publish("after", "out.a")
            try await eventually("the message is counted") {
                try await stack.metric(#"martlet_mqtt_bridge_refused_total{remote="plant",direction="out""#) == 1
            }
            #expect(subscriber.texts == ["before", "still"])
            #expect(try await stack.metric("martlet_mqtt_bridge_rights_lost_total") >= 2)
            #expect(stack.log.contains("a mapping is stopped"))
        }
    }
}
