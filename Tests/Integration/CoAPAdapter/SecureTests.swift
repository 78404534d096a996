// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import TestKit
import Testing

@Suite("CoAP adapter: DTLS and TLS")
struct SecureTests {
    private static let secret = "a-secret-of-24-bytes-abc"

    private func port(_ scheme: String, _ stack: CoAPStack) -> Int {
        scheme == "coaps" ? stack.dtlsPort : stack.tlsPort
    }

    /// Without a key in it.
    private func uri(_ scheme: String, _ stack: CoAPStack, _ subtopic: String = "a") -> String {
        "\(scheme)://127.0.0.1:\(port(scheme, stack))/channels/\(stack.things.channel)/messages/\(subtopic)"
    }

    private func waitForKeys(_ stack: CoAPStack, _ count: Double) async throws {
        try await eventually("the keys are known") { try await stack.metric("martlet_psk_cached") == count }
    }

    @Test(
        "A pre-shared key says who it is, and a wrong one and an unknown identity are nobody",
        arguments: ["coaps", "coaps+tcp"])
    func preSharedKey(scheme: String) async throws {
        try await withCoAP { stack in
            let device = stack.things.publisher
            try await stack.things.setPreSharedKey(
                of: device, identity: "press-7", secret: Array(Self.secret.utf8))
            try await waitForKeys(stack, 1)
            func post(_ identity: String, _ secret: String) async throws -> String {
                try await stack.coapClient(
                    "openssl",
                    ["-m", "post", "-e", "x", "-u", identity, "-k", secret, "-B", "5", uri(scheme, stack)])
            }
            let good = try await post("press-7", Self.secret)
            #expect(good.contains("c:2.04"), "\(good.suffix(3000))")
            #expect(!(try await post("press-7", "another-secret-of-24-byt")).contains("c:2.04"))
            #expect(!(try await post("press-8", Self.secret)).contains("c:2.04"))
            let stored = try await stack.stored()
            #expect(stored.map(\.publisher) == [device.id])
            #expect(stored.map(\.subtopic) == ["a"])
            #expect(try await stack.metric(#"martlet_coap_refused_total{reason="unknown-psk"}"#) >= 1)
            // A key that was taken away.
            try await stack.things.removePreSharedKey(of: device)
            try await waitForKeys(stack, 0)
            #expect(!(try await post("press-7", Self.secret)).contains("c:2.04"))
            #expect(try await stack.stored().count == 1)
        }
    }

    @Test("An observation over DTLS ends when the pre-shared key is replaced")
    func replaced() async throws {
        try await withCoAP { stack in
            let device = stack.things.publisher
            try await stack.things.setPreSharedKey(of: device, secret: Array(Self.secret.utf8))
            try await waitForKeys(stack, 1)
            let client = Task {
                try await stack.coapClient(
                    "openssl", ["-s", "15", "-w", "-u", "\(device.id)", "-k", Self.secret, uri("coaps", stack)])
            }
            try await eventually("it observes") { try await stack.metric("martlet_coap_observers") == 1 }
            try await stack.publish("before", "a")
            try await eventually("it is notified") {
                try await stack.metric("martlet_coap_notifications_total") == 1
            }
            try await stack.things.setPreSharedKey(of: device, secret: Array("another-secret-of-24-byt".utf8))
            try await eventually("it observes no more") { try await stack.metric("martlet_coap_observers") == 0 }
            let output = try await client.value
            #expect(output.contains("before"))
            #expect(output.contains("4.01"), "\(output.suffix(3000))")
            #expect(try await stack.metric(#"martlet_coap_observations_ended_total{reason="revoked"}"#) == 1)
        }
    }

    @Test("A session that is resumed is whose it was, and nobody's once the key was replaced")
    func resumed() async throws {
        try await withCoAP { stack in
            let device = stack.things.publisher
            try await stack.things.setPreSharedKey(of: device, secret: Array(Self.secret.utf8))
            try await waitForKeys(stack, 1)
            #expect(try await resumable("first", "-sess_out", stack).contains("New, "))
            #expect(try await resumable("second", "-sess_in", stack).contains("Reused, "))
            #expect(try await stack.storedTexts("") == ["first", "second"])
            #expect(try await stack.stored().allSatisfy { $0.publisher == device.id })
            let before = try await stack.metric("martlet_coap_refused_total")
            try await stack.things.setPreSharedKey(of: device, secret: Array("another-secret-of-24-byt".utf8))
            try await eventually("a session of the former key is nobody's") {
                _ = try await resumable("third-\(ThingID.new())", "-sess_in", stack)
                return try await stack.metric("martlet_coap_refused_total") > before
            }
            let stored = try await stack.storedTexts("").count
            #expect(try await resumable("last", "-sess_in", stack).contains("Reused, "))
            #expect(try await stack.storedTexts("").count == stored)
        }
    }

    /// A POST by `openssl`, which can keep a session and take it up again.
    private func resumable(_ text: String, _ option: String, _ stack: CoAPStack) async throws -> String {
        var message = CoAPMessage(.confirmable, CoAPMessage.post, path: stack.path())
        message.payload = Array(text.utf8)
        let file = stack.directory.file(text)
        try Data(message.bytes).write(to: URL(fileURLWithPath: file))
        let key = Self.secret.utf8.map { String($0, radix: 16) }.joined()
        let command =
            "(cat \(file); sleep 2) | openssl s_client -dtls1_2 -nocommands -connect 127.0.0.1:\(stack.dtlsPort)"
            + " -psk \(key) -psk_identity \(stack.things.publisher.id) \(option) \(stack.directory.file("session.pem"))"
        let shell = try ServiceProcess(
            program: Executables.system("sh"), arguments: ["-c", command], log: stack.directory.file("\(text).log"))
        _ = try await shell.waitForExit()
        // With the answers in it, which are no text.
        return String(decoding: try Data(contentsOf: URL(fileURLWithPath: shell.logPath)), as: UTF8.self)
    }

    @Test(
        "A client certificate says who it is; none, an expired one, another authority's and one without a thing do not",
        arguments: ["coaps", "coaps+tcp"])
    func certificates(scheme: String) async throws {
        let certificates = try await TestCertificates()
        let authority = try await certificates.authority("devices")
        let settings = [
            "tls-certificate": certificates.server.certificate, "tls-key": certificates.server.key,
            "tls-client-ca": authority.certificate,
        ]
        try await withCoAP(settings) { stack in
            let thing = stack.things.publisher.id
            func post(_ pair: TestCertificates.Pair?) async throws -> String {
                let client = pair.map { ["-c", $0.certificate, "-j", $0.key] } ?? []
                return try await stack.coapClient(
                    "openssl",
                    ["-m", "post", "-e", "x", "-R", certificates.server.certificate, "-B", "5"] + client
                        + [uri(scheme, stack)])
            }
            let good = try await post(try await certificates.client(thing, signedBy: authority))
            #expect(good.contains("c:2.04"), "\(good.suffix(3000))")
            let foreign = try await certificates.authority("others")
            for pair in [
                nil, try await certificates.client(thing, signedBy: authority, days: 0),
                try await certificates.client(thing, signedBy: foreign),
                try await certificates.client(nil, signedBy: authority),
            ] {
                let bad = try await post(pair)
                #expect(!bad.contains("c:2.04"), "\(bad.suffix(3000))")
            }
            #expect(try await stack.stored().map(\.publisher) == [thing])
        }
    }

    @Test("With a certificate and no authority for clients, a key says who it is")
    func serverOnly() async throws {
        let certificates = try await TestCertificates()
        let settings = ["tls-certificate": certificates.server.certificate, "tls-key": certificates.server.key]
        try await withCoAP(settings) { stack in
            let trust = ["-m", "post", "-e", "x", "-R", certificates.server.certificate, "-B", "5"]
            let good = try await stack.coapClient(
                "openssl", trust + [uri("coaps", stack) + "?auth=\(stack.things.publisher.key)"])
            #expect(good.contains("c:2.04"), "\(good.suffix(3000))")
            let nobody = try await stack.coapClient("openssl", trust + [uri("coaps", stack)])
            #expect(nobody.contains("c:4.01"), "\(nobody.suffix(3000))")
        }
    }
}
