// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import NIOSSL
import TestKit
import Testing

/// Client certificates: who is let in, as which thing, and for how long.
@Suite(.serialized) struct MutualTLSTests {
    private func withAuthority(
        required: Bool = false, isolation: isolated (any Actor)? = #isolation,
        _ body: (MQTTStack, ClientAuthority) async throws -> Void
    ) async throws {
        let authority = try ClientAuthority()
        let settings = ["tls-client-ca": authority.certificate, "tls-client-required": "\(required)"]
        try await withMQTT(settings, tls: true) { try await body($0, authority) }
    }

    /// Publishes "reading" with QoS 1 by mosquitto_pub.
    private func publish(
        _ stack: MQTTStack, _ issued: ClientAuthority.Issued?, _ arguments: [String] = []
    ) async throws -> ServiceProcess {
        let identity = issued.map { ["--cert", $0.certificate, "--key", $0.key] } ?? []
        let client = try ServiceProcess(
            program: try Executables.system("mosquitto_pub"),
            arguments: [
                "-h", "localhost", "-p", "\(stack.tlsPort)", "--cafile", stack.certificate, "-V", "mqttv5", "-q", "1",
                "-t", stack.topic(), "-m", "reading",
            ] + identity + arguments, log: stack.directory.file("pub-\(ThingID.new()).log"))
        try await client.waitForExit()
        return client
    }

    private func urn(_ device: ThingsByContract.Device) -> String { "urn:uuid:\(device.id)" }

    /// The reason of CONNACK.
    private func answer(
        _ stack: MQTTStack, _ issued: ClientAuthority.Issued, user: String? = nil, password: String? = nil
    ) async throws -> ReasonCode {
        let client = try await MQTTClient.connect(port: stack.tlsPort, tls: try stack.clientTLS(issued))
        try await client.send(.connect(stack.connect(user: user, password: password)))
        guard case .connAck(let answer) = try await client.next() else { throw MQTTClient.Closed() }
        client.close()
        return answer.reason
    }

    @Test(arguments: [true, false])
    func aCertificateIsEnough(byURI: Bool) async throws {
        try await withAuthority(required: true) { stack, authority in
            let device = stack.things.publisher
            let issued =
                byURI
                ? try authority.issue(uris: [urn(device)]) : try authority.issue(commonName: device.id.description)
            let client = try await publish(stack, issued)
            #expect(client.exitStatus == .exited(0), "\(client.log)")
            let stored = try await stack.stored()
            #expect(stored.map(\.publisher) == [device.id])
        }
    }

    @Test func anAuthorityBelowIsShownByTheClient() async throws {
        try await withAuthority(required: true) { stack, authority in
            let below = try ClientAuthority(below: authority)
            let client = try await publish(stack, try below.issue(uris: [urn(stack.things.publisher)]))
            #expect(client.exitStatus == .exited(0), "\(client.log)")
        }
    }

    @Test func overWebSocketToo() async throws {
        try await withAuthority(required: true) { stack, authority in
            let issued = try authority.issue(uris: [urn(stack.things.publisher)])
            let client = try ServiceProcess(
                program: Repository.file(".build/programs/bin/python"),
                arguments: [
                    Repository.file("Tests/Integration/MQTTAdapter/paho_client.py"), "wss",
                    "\(stack.webSocketTLSPort)", stack.certificate, "", "", stack.topic("paho"), "5",
                    issued.certificate, issued.key,
                ], log: stack.directory.file("paho.log"))
            #expect(try await client.waitForExit(deadline: .seconds(120)) == .exited(0), "\(client.log)")
            #expect(client.log.contains("5 messages came back"))
            #expect(try await stack.metric(#"martlet_mqtt_connects_total{version="5",listener="websocket-tls"}"#) == 1)
        }
    }

    /// The certificate is not shown again, and is checked again all the same.
    @Test func aResumedTLSSessionKnowsItsCertificate() async throws {
        try await withAuthority(required: true) { stack, authority in
            let issued = try authority.issue(uris: [urn(stack.things.publisher)])
            var connect = ByteBuffer()
            Packet.connect(stack.connect(user: nil, password: nil)).encode(into: &connect, version: .v5)
            let hexadecimal = connect.readableBytesView.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            func run(_ name: String) async throws -> ServiceProcess {
                let client = try ServiceProcess(
                    program: Repository.file(".build/programs/bin/python"),
                    arguments: [
                        Repository.file("Tests/Integration/MQTTAdapter/tls_resume.py"), "\(stack.tlsPort)",
                        stack.certificate, issued.certificate, issued.key, hexadecimal,
                    ], log: stack.directory.file(name))
                #expect(try await client.waitForExit() == .exited(0), "\(client.log)")
                return client
            }
            // CONNACK with success, twice.
            let answers = try await run("resumed.log").log.matches(of: #/answer=20..0000/#)
            #expect(answers.count == 2)
            try await stack.things.disable(stack.things.publisher)
            // Not authorized, twice.
            let refused = try await run("refused.log").log.matches(of: #/answer=20..0087/#)
            #expect(refused.count == 2)
        }
    }

    @Test func badCertificatesGetAnAlert() async throws {
        try await withAuthority { stack, authority in
            let name = [urn(stack.things.publisher)]
            let stranger = try ClientAuthority()
            let bad = [
                ("alert certificate expired", try authority.issue(uris: name, seconds: -60)),
                ("alert unknown ca", try stranger.issue(uris: name)),
                ("alert unsupported certificate", try authority.issue(uris: name, isServer: true)),
            ]
            for (index, (alert, issued)) in bad.enumerated() {
                let client = try ServiceProcess(
                    program: try Executables.system("openssl"),
                    arguments: [
                        "s_client", "-connect", "localhost:\(stack.tlsPort)", "-CAfile", stack.certificate, "-cert",
                        issued.certificate, "-key", issued.key, "-ign_eof",
                    ], log: stack.directory.file("s_client-\(index).log"))
                #expect(try await client.waitForExit() != .exited(0))
                #expect(client.log.contains(alert), "\(client.log)")
                let line = #"martlet_mqtt_tls_failures_total{listener="tls",reason="certificate-refused"}"#
                #expect(try await stack.metric(line) == Double(index + 1))
            }
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test func withoutACertificateTheKeyCounts() async throws {
        try await withAuthority { stack, _ in
            let device = stack.things.publisher
            let client = try await publish(stack, nil, ["-u", device.id.description, "-P", device.key])
            #expect(client.exitStatus == .exited(0), "\(client.log)")
        }
    }

    @Test func whereOneIsRequiredAKeyAloneIsNot() async throws {
        try await withAuthority(required: true) { stack, _ in
            let device = stack.things.publisher
            let client = try await publish(stack, nil, ["-u", device.id.description, "-P", device.key])
            #expect(client.exitStatus != .exited(0))
            let line = #"martlet_mqtt_tls_failures_total{listener="tls",reason="certificate-missing"}"#
            try await eventually("it is counted") { try await stack.metric(line) >= 1 }
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test func certificateAndKeyMustAgree() async throws {
        try await withAuthority { stack, authority in
            let (device, other) = (stack.things.publisher, stack.things.listener)
            let issued = try authority.issue(uris: [urn(device)])
            let name = device.id.description
            #expect(try await answer(stack, issued, user: name, password: device.key) == .success)
            #expect(try await answer(stack, issued, user: "any text", password: device.key) == .success)
            #expect(try await answer(stack, issued, user: name) == .success)
            #expect(try await answer(stack, issued, user: other.id.description) == .notAuthorized)
            #expect(try await answer(stack, issued, password: other.key) == .notAuthorized)
            #expect(try await answer(stack, issued, user: name, password: "no key") == .badUserNameOrPassword)
            let nobody = try authority.issue(uris: ["urn:uuid:\(ThingID.new())"])
            #expect(try await answer(stack, nobody) == .notAuthorized)
            let nameless = try authority.issue()
            #expect(try await answer(stack, nameless, user: name, password: device.key) == .notAuthorized)
            for reason in ["unknown-thing", "certificate-without-thing", "unknown-key"] {
                let line = #"martlet_mqtt_connections_refused_total{listener="tls",reason="\#(reason)"}"#
                #expect(try await stack.metric(line) == 1)
            }
            let line = #"martlet_mqtt_connections_refused_total{listener="tls",reason="certificate-of-another-thing"}"#
            #expect(try await stack.metric(line) == 2)
        }
    }

    @Test func aThingThatIsDisabledIsCutOff() async throws {
        try await withAuthority { stack, authority in
            let issued = try authority.issue(uris: [urn(stack.things.publisher)])
            let client = try await connected(stack, issued)
            try await stack.things.disable(stack.things.publisher)
            guard case .disconnect(let end) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(end.reason == .notAuthorized)
            #expect(try await answer(stack, issued) == .notAuthorized)
        }
    }

    @Test func aDomainThatIsDisabledIsCutOff() async throws {
        try await withAuthority { stack, authority in
            let issued = try authority.issue(uris: [urn(stack.things.publisher)])
            let client = try await connected(stack, issued)
            try await stack.things.setDomain(enabled: false)
            guard case .disconnect(let end) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(end.reason == .notAuthorized)
            #expect(try await answer(stack, issued) == .notAuthorized)
            try await stack.things.setDomain(enabled: true)
            try await eventually("it is let in again") { try await answer(stack, issued) == .success }
        }
    }

    @Test func aConnectionEndsWithItsCertificate() async throws {
        try await withAuthority { stack, authority in
            let client = try await connected(
                stack, try authority.issue(uris: [urn(stack.things.publisher)], seconds: 10))
            guard case .disconnect(let end) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(end.reason == .notAuthorized)
            #expect(end.properties.reasonString == "the client certificate has expired")
        }
    }

    @Test func settingsThatDoNotFitAreRefused() async throws {
        for (arguments, key) in [
            (["--tls-client-required", "true"], "tls.client.ca"),
            (["--tls-client-ca", "/dev/null"], "tls.certificate"),
        ] {
            let directory = try TemporaryDirectory("settings")
            let adapter = try ServiceProcess.start(
                "mqtt-adapter",
                arguments: [
                    "--bus-socket", directory.file("bus.sock"), "--http-port", "0", "--mqtt-port", "0",
                    "--websocket-port", "0", "--store-path", directory.file("sessions.sqlite"),
                ] + arguments, log: directory.file("log"))
            #expect(try await adapter.waitForExit() != .exited(0))
            #expect(adapter.log.contains(key), "\(adapter.log)")
        }
    }

    private func connected(_ stack: MQTTStack, _ issued: ClientAuthority.Issued) async throws -> MQTTClient {
        let client = try await MQTTClient.connect(port: stack.tlsPort, tls: try stack.clientTLS(issued))
        try await client.send(.connect(stack.connect(user: nil, password: nil)))
        guard case .connAck(let answer) = try await client.next(), answer.reason == .success else {
            throw MQTTClient.Closed()
        }
        return client
    }
}

extension MQTTStack {
    fileprivate func connect(user: String?, password: String?) -> Connect {
        Connect(
            version: .v5, keepAlive: 60, clientIdentifier: "certified", userName: user,
            password: password.map { Array($0.utf8) })
    }

    fileprivate func clientTLS(_ issued: ClientAuthority.Issued) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(certificate)
        configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(issued.certificate).map {
            .certificate($0)
        }
        configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: issued.key, format: .pem))
        return try NIOSSLContext(configuration: configuration)
    }
}
