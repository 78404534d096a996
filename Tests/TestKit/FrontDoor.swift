// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// nginx with the product's own configuration, in front of a ``Stack``.
public final class FrontDoor: Sendable {
    public let port: Int
    public var url: String { "http://127.0.0.1:\(port)" }
    private let process: ServiceProcess

    /// - Parameter workers: false for one process; true for a master and the workers of the configuration, as `make run` and compose have it: one process may
    ///   not have enough descriptors for thousands of connections.
    public static func start(_ stack: Stack, workers: Bool = false) async throws -> FrontDoor {
        let door = try FrontDoor(stack, workers: workers)
        let client = HTTPClient(port: door.port)
        try await door.process.wait("the front door answers") { (try? await client.get("/health"))?.status == 200 }
        return door
    }

    private init(_ stack: Stack, workers: Bool) throws {
        port = try FreePort.next()
        let folder = stack.directory.file("nginx")
        try FileManager.default.createDirectory(atPath: "\(folder)/temp", withIntermediateDirectories: true)
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        }
        for name in ["martlet.conf", "docs"] {
            try FileManager.default.copyItem(
                atPath: Repository.file("deploy/nginx/\(name)"), toPath: "\(folder)/\(name)")
        }
        let user = geteuid() == 0 ? "user root;\n" : ""
        let master = workers ? "" : "master_process off;\n"
        try write("main.conf", "pid \(folder)/nginx.pid;\nerror_log stderr warn;\n\(master)\(user)")
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        try write("http.conf", kinds.map { "\($0)_temp_path \(folder)/temp/\($0);\n" }.joined())
        try write("listen.conf", "listen 127.0.0.1:\(port);\n")
        let upstreams = Stack.services.map { service in
            let variable = service.replacing("-", with: "_")
            return """
                upstream \(service) { server 127.0.0.1:\(stack.ports[service] ?? 0) max_fails=0; keepalive 32; }
                map "" $\(variable) { default \(service); }

                """
        }
        let webSocket = """
            upstream mqtt-websocket { server 127.0.0.1:\(stack.mqttWebSocketPort) max_fails=0; }
            map "" $mqtt_websocket { default mqtt-websocket; }

            """
        try write("upstreams.conf", upstreams.joined() + webSocket)
        // Workers outlive a master that is killed, so when this process ends a master is asked to end.
        process = try ServiceProcess(
            program: Executables.system("setpriv"),
            arguments: [
                "--pdeathsig", workers ? "TERM" : "KILL", "--", Executables.system("nginx"), "-e", "stderr",
                "-p", "\(folder)/", "-c", "martlet.conf",
            ], environment: [:], log: stack.directory.file("nginx.log"))
    }

    deinit {
        guard process.isRunning else { return }
        let workers = processIdentifiers.dropFirst()
        process.signal(SIGKILL)
        for worker in workers { kill(worker, SIGKILL) }
    }

    /// The one process, or the master and its workers.
    public var processIdentifiers: [Int32] {
        let master = process.processIdentifier
        let children = try? String(contentsOfFile: "/proc/\(master)/task/\(master)/children", encoding: .utf8)
        return [master] + (children ?? "").split(separator: " ").compactMap { Int32($0) }
    }

    /// Ends it; whoever asks then gets no answer at all.
    public func stop() async throws { try await process.terminate() }
}
