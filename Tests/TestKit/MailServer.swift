// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A real SMTP server in a process of its own.
public final class MailServer: Sendable {
    /// Debian's Python, which sees Debian's aiosmtpd whatever other Python comes first on the path.
    private static let python = "/usr/bin/python3"

    public let port: Int
    private let directory: TemporaryDirectory
    private let process: ServiceProcess

    public struct Mail: Sendable {
        public var from: String
        public var hello: String
        public var isEncrypted: Bool
        public var to: String
        /// Headers and body as they arrived.
        public var content: String

        /// The body with its soft line breaks taken out.
        public var text: String {
            let body = content.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n")
            return body.replacing("=\r\n", with: "").replacing("=3D", with: "=")
        }

        /// The line of a token, 43 characters of base64url.
        public var token: String? {
            text.components(separatedBy: "\r\n").first {
                $0.utf8.count == 43 && $0.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" }
            }
        }
    }

    /// - Parameter arguments: certificate and key, user and password.
    public static func start(port: Int = 0, _ arguments: [String] = []) async throws -> MailServer {
        let directory = try TemporaryDirectory("mail")
        let process = try ServiceProcess(
            program: python,
            arguments: [
                Repository.file("Tests/TestKit/smtp_server.py"), directory.path, String(port),
            ] + arguments, log: directory.file("log"))
        let portFile = directory.file("port")
        try await process.wait("the mail server listens") { FileManager.default.fileExists(atPath: portFile) }
        let bound = Int(try String(contentsOfFile: portFile, encoding: .utf8)) ?? 0
        return MailServer(port: bound, directory: directory, process: process)
    }

    private init(port: Int, directory: TemporaryDirectory, process: ServiceProcess) {
        self.port = port
        self.directory = directory
        self.process = process
    }

    public func stop() async { await process.kill() }

    /// The mails that were taken so far, in order.
    public func mails() throws -> [Mail] {
        var mails: [Mail] = []
        while let data = FileManager.default.contents(atPath: directory.file("\(mails.count + 1).eml")) {
            let lines = String(decoding: data, as: UTF8.self)
                .split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
            let envelope = lines[0].split(separator: " ")
            mails.append(
                Mail(
                    from: String(envelope[0]), hello: String(envelope[1]), isEncrypted: envelope[2] == "True",
                    to: String(lines[1]), content: String(lines[2])))
        }
        return mails
    }

    /// Waits for a number of mails.
    public func mails(_ count: Int) async throws -> [Mail] {
        try await eventually("\(count) mails have come") { try mails().count >= count }
        return try mails()
    }

    /// A certificate for 127.0.0.1 and its key, both as PEM files.
    public static func certificate(in directory: TemporaryDirectory) async throws -> (certificate: String, key: String)
    {
        let (certificate, key) = (directory.file("cert.pem"), directory.file("key.pem"))
        let openssl = try ServiceProcess(
            program: "/usr/bin/openssl",
            arguments: [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=mail", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
            ], log: directory.file("openssl.log"))
        try await openssl.waitForExit()
        return (certificate, key)
    }
}
