// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestKit
import Testing

/// `deploy/local/run`, which `make run` calls, on ports and in a data folder of its own.
final class LocalRun: Sendable {
    /// The soft limit of descriptors with which ``start(as:)`` begins.
    static let loginDescriptors = 1_024

    let data: TemporaryDirectory
    let port: Int
    let tlsPort: Int
    let environment: [String: String]

    init() throws {
        data = try TemporaryDirectory("run")
        port = try FreePort.next()
        var environment = [
            "MARTLET_HTTP_PORT": String(port), "MARTLET_DATA": data.path, "MARTLET": "http://127.0.0.1:\(port)",
            "MARTLET_START_SECONDS": "240",
        ]
        tlsPort = try FreePort.next()
        environment["MARTLET_HTTPS_PORT"] = String(tlsPort)
        environment["MARTLET_TLS"] = "https://localhost:\(tlsPort)"
        for name in [
            "MQTT_PORT", "MQTTS_PORT", "MQTT_WEBSOCKET_PORT", "MQTT_WEBSOCKET_TLS_PORT", "COAP_PORT", "COAPS_PORT",
        ] {
            environment["MARTLET_\(name)"] = String(try FreePort.next())
        }
        for service in Stack.services {
            let name = service.uppercased().replacing("-", with: "_")
            environment["MARTLET_\(name)_HTTP_PORT"] = String(try FreePort.next())
        }
        self.environment = environment
    }

    /// Starts it and waits until it says that all is up. It begins with the few descriptors of a login shell.
    ///
    /// - Parameter user: nil for the user that runs the tests; else a user to change to, when the tests run as root.
    func start(as user: String? = nil) async throws -> ServiceProcess {
        var command = [
            try Executables.system("prlimit"), "--nofile=\(Self.loginDescriptors):", "--",
            Repository.file("deploy/local/run"), "--binaries", Executables.directory,
        ]
        if let user {
            let group = try #require(getpwnam(user)).pointee.pw_gid
            command = ["--reuid", user, "--regid", String(group), "--clear-groups", "--"] + command
        }
        let log = "\(data.path).log"
        try? FileManager.default.removeItem(atPath: log)
        let process = try ServiceProcess(
            program: user == nil ? command.removeFirst() : Executables.system("setpriv"), arguments: command,
            environment: environment, log: log)
        try await process.waitForLog("Martlet is up.", deadline: .seconds(300))
        return process
    }

    /// The processes that belong to this run, by what their command line or environment says of its data folder.
    func processes() -> [Int32] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return all.compactMap { Int32($0) }.filter { identifier in
            guard identifier != getpid(),
                let status = try? String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8),
                // a zombie is gone
                status.split(separator: ")").last?.trimmingCharacters(in: .whitespaces).first != "Z"
            else { return false }
            return ["cmdline", "environ"].contains { file in
                let bytes = FileManager.default.contents(atPath: "/proc/\(identifier)/\(file)") ?? Data()
                return bytes.range(of: Data(data.path.utf8)) != nil
            }
        }
    }

    /// The pid of a service, found by its executable and this run's bus socket or data folder.
    func processIdentifier(of service: String) -> Int32? {
        processes().first { identifier in
            let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(identifier)/exe")) ?? ""
            return path.split(separator: "/").last.map(String.init) == service
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: "\(data.path).log") }
}
