// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit

/// Certificates of a test, by the `openssl` command: a server's that signs itself, and authorities for clients.
struct TestCertificates: Sendable {
    struct Pair: Sendable {
        let certificate: String
        let key: String
    }

    let directory: TemporaryDirectory
    let server: Pair

    init() async throws {
        directory = try TemporaryDirectory("coap-tls")
        let maker = try ServiceProcess(
            program: Repository.file("deploy/local/certificate"), arguments: [directory.file("server"), "localhost"],
            log: directory.file("certificate.log"))
        try await Self.succeed(maker)
        server = Pair(
            certificate: directory.file("server/certificate.pem"), key: directory.file("server/key.pem"))
    }

    /// An authority that signs itself.
    func authority(_ name: String) async throws -> Pair {
        let pair = Pair(certificate: directory.file("\(name).pem"), key: directory.file("\(name)-key.pem"))
        try await openssl(
            ["req", "-x509"] + Self.newKey(pair.key)
                + [
                    "-days", "1", "-subj", "/CN=\(name)", "-addext", "keyUsage=critical,keyCertSign", "-out",
                    pair.certificate,
                ])
        return pair
    }

    /// A client's.
    ///
    /// - Parameters:
    ///   - thing: nil: it names none.
    ///   - days: 0: it has expired when this returns.
    func client(_ thing: ThingID?, signedBy authority: Pair, days: Int = 1) async throws -> Pair {
        let name = "\(ThingID.new())"
        let pair = Pair(certificate: directory.file("\(name).pem"), key: directory.file("\(name)-key.pem"))
        let extensions = directory.file("\(name).ext")
        try ("extendedKeyUsage=clientAuth\n" + (thing.map { "subjectAltName=URI:urn:uuid:\($0)\n" } ?? ""))
            .write(toFile: extensions, atomically: true, encoding: .utf8)
        let request = directory.file("\(name).csr")
        try await openssl(["req", "-new"] + Self.newKey(pair.key) + ["-subj", "/CN=device", "-out", request])
        try await openssl([
            "x509", "-req", "-in", request, "-CA", authority.certificate, "-CAkey", authority.key, "-CAcreateserial",
            "-days", "\(days)", "-extfile", extensions, "-out", pair.certificate,
        ])
        if days == 0 { try await Task.sleep(for: .milliseconds(1_100)) }
        return pair
    }

    private static func newKey(_ file: String) -> [String] {
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file]
    }

    private func openssl(_ arguments: [String]) async throws {
        try await Self.succeed(
            try ServiceProcess(
                program: Executables.system("openssl"), arguments: arguments, log: directory.file("openssl.log")))
    }

    private static func succeed(_ process: ServiceProcess) async throws {
        let status = try await process.waitForExit()
        guard status == .exited(0) else { throw ServiceProcess.Ended(description: "\(status)\n\(process.log)") }
    }
}
