// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// nginx with the product's own configuration, in front of a ``Stack``.
public final class FrontDoor: Sendable {
    public let port: Int
    public var url: String { "http://127.0.0.1:\(port)" }
    private let process: ServiceProcess

    public static func start(_ stack: Stack) async throws -> FrontDoor {
        let door = try FrontDoor(stack)
        let client = HTTPClient(port: door.port)
        try await door.process.wait("the front door answers") { (try? await client.get("/health"))?.status == 200 }
        return door
    }

    private init(_ stack: Stack) throws {
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
        // One process: workers would outlive a master that is killed.
        try write("main.conf", "pid \(folder)/nginx.pid;\nerror_log stderr warn;\nmaster_process off;\n\(user)")
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
        try write("upstreams.conf", upstreams.joined())
        process = try ServiceProcess(
            program: Executables.system("nginx"),
            arguments: ["-e", "stderr", "-p", "\(folder)/", "-c", "martlet.conf"], environment: [:],
            log: stack.directory.file("nginx.log"))
    }

    /// Ends it; whoever asks then gets no answer at all.
    public func stop() async throws { try await process.terminate() }
}
