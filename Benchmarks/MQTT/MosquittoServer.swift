// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// Mosquitto of the system's packages with the work that Martlet does: passwords are checked, and rights to topics. Nothing is persisted, and no
/// limit makes it drop messages.
final class MosquittoServer: MQTTServer {
    /// As long as Martlet's identifiers.
    static let channel = "019abcde-0000-7000-8000-0123456789ab"

    private let directory: TemporaryDirectory
    private let port: UInt16
    private let accounts: [MQTTBroker.Account]
    private var process: ServiceProcess

    init(accounts count: Int) async throws {
        directory = try TemporaryDirectory("bench-mosquitto")
        port = UInt16(try FreePort.next())
        accounts = (0..<count).map { number in
            .init(userName: UUID().uuidString.lowercased(), password: "key-of-account-\(number)")
        }
        try await Self.writePasswords(accounts, directory)
        let rights = accounts.map {
            "user \($0.userName)\ntopic readwrite channels/\(Self.channel)/messages/#\n"
        }
        try rights.joined().write(toFile: directory.file("rights"), atomically: true, encoding: .utf8)
        // As root it would give itself to a user who cannot read the files.
        let configuration = """
            user \(NSUserName())
            listener \(port) 127.0.0.1
            allow_anonymous false
            password_file \(directory.file("passwords"))
            acl_file \(directory.file("rights"))
            persistence false
            max_inflight_messages 0
            max_queued_messages 0
            set_tcp_nodelay true
            sys_interval 0
            log_dest stderr
            log_type error
            """
        try configuration.write(toFile: directory.file("mosquitto.conf"), atomically: true, encoding: .utf8)
        process = try ServiceProcess(
            program: Executables.system("mosquitto"), arguments: ["-c", directory.file("mosquitto.conf")],
            log: directory.file("mosquitto.log"))
        try await waitUntilServing()
    }

    /// mosquitto_passwd replaces the passwords of a file by their hashes (PBKDF2 with SHA-512, 101 rounds).
    private static func writePasswords(_ accounts: [MQTTBroker.Account], _ directory: TemporaryDirectory) async throws {
        let path = directory.file("passwords")
        let lines = accounts.map { "\($0.userName):\($0.password)\n" }
        try lines.joined().write(toFile: path, atomically: true, encoding: .utf8)
        let hashing = try ServiceProcess(
            program: Executables.system("mosquitto_passwd"), arguments: ["-U", path], log: directory.file("passwd.log"))
        guard try await hashing.waitForExit() == .exited(0) else {
            throw BenchmarkFailure(description: "mosquitto_passwd: \(hashing.log)")
        }
    }

    var broker: MQTTBroker {
        MQTTBroker(
            name: "mosquitto", port: port, accounts: accounts, channel: Self.channel,
            members: [.init(name: "mosquitto", process: process)])
    }

    func restart() async throws {
        try await stop()
        process = try process.startAgain()
        try await waitUntilServing()
    }

    func stop() async throws { try await process.terminate() }
}
