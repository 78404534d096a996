// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

extension LocalRunTests {
    /// Events over HTTP/2 and a WebSocket over HTTP/1.1, both by TLS, from a client that knows the certificate; one that does not is not served.
    func liveThroughTLS(_ run: LocalRun, channel: String, key: String) async throws {
        let certificate = run.data.file("tls/certificate.pem")
        let attributes = try FileManager.default.attributesOfItem(atPath: run.data.file("tls/key.pem"))
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let address = "https://localhost:\(run.tlsPort)/channels/\(channel)/messages"
        let common = ["--cacert", certificate, "-sSi", "-N", "--max-time", "2", "-H", "Authorization: Thing \(key)"]

        let events = try await curl(run, common + ["-H", "Accept: text/event-stream", address + "?after=0"])
        #expect(events.contains("HTTP/2 200"), "\(events)")
        #expect(events.contains(#"data: {"type":"message","sequence":"#), "\(events)")

        let socket = try await webSocket(run, "/channels/\(channel)/messages", key: key, certificate: certificate)
        #expect(socket.contains("101 Switching Protocols"), "\(socket)")
        #expect(socket.contains(#"{"type":"open","#), "\(socket)")

        let old = try await curl(run, ["--cacert", certificate, "-sS", "--tls-max", "1.1", address])
        #expect(old.contains("curl: (35)"), "\(old)")
        let stranger = try await curl(run, ["-sS", address])
        #expect(stranger.contains("curl: (60)"), "\(stranger)")
    }

    /// What two seconds of a WebSocket bring.
    private func webSocket(_ run: LocalRun, _ path: String, key: String, certificate: String) async throws -> String {
        let request = """
            GET \(path) HTTP/1.1
            Host: localhost
            Connection: Upgrade
            Upgrade: websocket
            Sec-WebSocket-Version: 13
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
            Sec-WebSocket-Protocol: martlet.v1+json
            Authorization: Thing \(key)


            """
        let connect = [
            "openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", certificate, "-connect",
            "localhost:\(run.tlsPort)",
        ]
        let process = try ServiceProcess(
            program: Executables.system("bash"),
            arguments: ["-c", #"printf %s "$0" | timeout 2 "$@""#, request.replacing("\n", with: "\r\n")] + connect,
            environment: ["PATH": "/usr/bin:/bin"], log: run.data.file("socket.log"))
        _ = try await process.waitForExit()
        // A frame's head is no UTF-8.
        return String(decoding: FileManager.default.contents(atPath: process.logPath) ?? Data(), as: UTF8.self)
    }

    /// What it wrote, errors too; a live connection ends by curl's own limit.
    private func curl(_ run: LocalRun, _ arguments: [String]) async throws -> String {
        let process = try ServiceProcess(
            program: Executables.system("curl"), arguments: arguments, environment: [:],
            log: run.data.file("curl-\(UUID().uuidString).log"))
        _ = try await process.waitForExit()
        return process.log
    }
}
