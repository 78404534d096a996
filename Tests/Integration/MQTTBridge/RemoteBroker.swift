// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization
import TestKit

/// A `mosquitto` of the test's own, with a password file, that keeps what it has in a file; and its clients.
final class RemoteBroker: Sendable {
    static let user = "bridge"
    static let password = "a-password-for-tests-only"

    let port: Int
    private let directory: TemporaryDirectory
    private let tls: Bool
    private let process: Mutex<ServiceProcess>
    private let clients = Mutex(0)

    private init(_ directory: TemporaryDirectory, port: Int, tls: Bool, process: ServiceProcess) {
        self.directory = directory
        self.port = port
        self.tls = tls
        self.process = Mutex(process)
    }

    /// - Parameters:
    ///   - mutualTLSName: the name in a certificate that the server has and that it wants of its clients.
    ///   - accessList: lines of mosquitto's `acl_file`; empty: everybody may do everything.
    static func start(in directory: TemporaryDirectory, tls: Bool, mutualTLSName: String? = nil, accessList: [String])
        async throws -> RemoteBroker
    {
        let port = try FreePort.next()
        let passwords = directory.file("passwords")
        let maker = try ServiceProcess(
            program: Executables.system("mosquitto_passwd"), arguments: ["-b", "-c", passwords, user, password],
            log: directory.file("passwd.log"))
        try await maker.waitForExit()
        var lines = [
            "listener \(port) 127.0.0.1", "allow_anonymous false", "password_file \(passwords)", "persistence true",
            "persistence_location \(directory.path)/",
            "max_queued_messages 100000", "log_dest stderr", "log_type all",
        ]
        // As root it would become another user, who may not read the folder.
        if getuid() == 0 { lines.append("user root") }
        if let name = mutualTLSName {
            // A certificate that signs itself is its own authority, for both sides.
            let maker = try ServiceProcess(
                program: Executables.system("openssl"),
                arguments: [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                    "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)", "-keyout",
                    directory.file("mutual.key"), "-out", directory.file("mutual.pem"),
                ], log: directory.file("openssl.log"))
            try await maker.waitForExit()
            lines += [
                "certfile \(directory.file("mutual.pem"))", "keyfile \(directory.file("mutual.key"))",
                "cafile \(directory.file("mutual.pem"))", "require_certificate true",
            ]
        } else if tls {
            let certificates = try ServiceProcess(
                program: Repository.file("deploy/local/certificate"), arguments: [directory.file("tls"), "localhost"],
                log: directory.file("certificate.log"))
            try await certificates.waitForExit()
            lines += [
                "certfile \(directory.file("tls/certificate.pem"))", "keyfile \(directory.file("tls/key.pem"))",
            ]
        }
        if !accessList.isEmpty {
            let file = directory.file("acl")
            try (accessList.joined(separator: "\n") + "\n").write(toFile: file, atomically: true, encoding: .utf8)
            lines.append("acl_file \(file)")
        }
        let file = directory.file("mosquitto.conf")
        try lines.joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
        let process = try ServiceProcess(
            program: Executables.system("mosquitto"), arguments: ["-c", file], log: directory.file("mosquitto.log"))
        try await process.waitForLog(" running")
        return RemoteBroker(directory, port: port, tls: tls, process: process)
    }

    var log: String { process.withLock { $0 }.log }

    func kill() async { await process.withLock { $0 }.kill() }

    /// Ends in order: what it has is in its file.
    func stop() async throws { try await process.withLock { $0 }.terminate() }

    func startAgain() throws {
        let again = try process.withLock { $0 }.startAgain()
        process.withLock { $0 = again }
    }

    /// Starts it, and watches from then on.
    func startAgain(watching filter: String) async throws -> RemoteSubscriber {
        try startAgain()
        let process = process.withLock { $0 }
        try await process.wait("the remote listens") {
            (try? await self.publish("there", "watch")) != nil
        }
        return try await subscribe(filter)
    }

    private var connection: [String] {
        ["-h", tls ? "localhost" : "127.0.0.1", "-p", "\(port)", "-u", Self.user, "-P", Self.password]
            + (tls ? ["--cafile", directory.file("tls/certificate.pem")] : [])
    }

    private func nextLog() -> String {
        clients.withLock { number in
            number += 1
            return directory.file("client-\(number).log")
        }
    }

    /// Publishes one message, and returns when it is acknowledged.
    func publish(_ text: String, _ topic: String, qos: Int = 1, more: [String] = []) async throws {
        let client = try ServiceProcess(
            program: Executables.system("mosquitto_pub"),
            arguments: connection + ["-t", topic, "-m", text, "-q", "\(qos)"] + more, log: nextLog())
        guard case .exited(0) = try await client.waitForExit() else {
            throw ServiceProcess.Ended(description: "mosquitto_pub: \(client.log)")
        }
    }

    /// Publishes the numbers of a range, in order, by one client; returns when all are acknowledged.
    func publish(_ numbers: Range<Int>, _ topic: String, qos: Int) async throws {
        let lines = directory.file("lines-\(numbers.lowerBound)-\(topic.replacing("/", with: "-"))")
        try numbers.map { "\($0)\n" }.joined().write(toFile: lines, atomically: true, encoding: .utf8)
        let command = "exec \"$0\" \"$@\" -l < \(lines)"
        let client = try ServiceProcess(
            program: "/bin/sh",
            arguments: ["-c", command, Executables.system("mosquitto_pub")] + connection
                + ["-t", topic, "-q", "\(qos)"], log: nextLog())
        guard case .exited(0) = try await client.waitForExit() else {
            throw ServiceProcess.Ended(description: "mosquitto_pub: \(client.log)")
        }
    }

    /// A subscriber whose session stays: what comes while the broker is away waits for it. Its lines are `topic qos retain payload`.
    func subscribe(_ filter: String, version: String = "mqttv311", format: String = "%t %q %r %p") async throws
        -> RemoteSubscriber
    {
        let log = nextLog()
        let identifier = "watch-\(clients.withLock { $0 })"
        let client = try ServiceProcess(
            program: Executables.system("mosquitto_sub"),
            arguments: connection + [
                "-t", filter, "-q", "2", "-i", identifier, "-c", "-V", version, "-F", format,
            ], log: log)
        try await client.wait("the broker knows the subscriber") {
            self.log.contains("Sending SUBACK to \(identifier)")
        }
        return RemoteSubscriber(process: client)
    }
}

final class RemoteSubscriber: Sendable {
    private let process: ServiceProcess

    fileprivate init(process: ServiceProcess) { self.process = process }

    /// What has come so far, as it was formatted.
    var lines: [String] { process.log.split(separator: "\n").map(String.init) }

    /// The payloads so far.
    var texts: [String] { lines.map { $0.split(separator: " ", maxSplits: 3).last.map(String.init) ?? "" } }

    func waitForLine(_ line: String) async throws {
        try await eventually("a subscriber of the remote gets '\(line)'; it has \(lines.suffix(5))") {
            self.lines.contains(line)
        }
    }
}
