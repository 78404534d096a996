// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

/// Each service against its own OpenAPI document, by schemathesis: what it generates from the document, good and bad, must never be answered
/// with a failure of ours, nor with anything that the document does not say.
@Suite(.serialized) struct OpenAPITests {
    private static let checks = [
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
        "response_schema_conformance",
    ]

    @Test func everyServiceAnswersAsItsDocumentSays() async throws {
        let stack = try await Stack.start(settings: [
            "users": ["MARTLET_USERS_SELF_REGISTER": "true", "MARTLET_USERS_PASSWORD_COST": "10"]
        ])
        let device = try await stack.makeDevice(token: stack.adminToken())
        // What ends the session that asks, or takes away what the others ask for, is left to the services' own tests.
        try await check(
            "things", stack, authorization: "Bearer \(stack.adminToken())", device: device,
            excluding: "^/(things|channels)/\\{id\\}(/disable)?$")
        try await check("journal", stack, authorization: "Bearer \(stack.adminToken())", device: device)
        try await check("http-adapter", stack, authorization: "Thing \(device.key)", device: device)
        try await check("reader-postgres", stack, authorization: "Thing \(device.key)", device: device)
        try await check("reader-postgres", stack, authorization: "Bearer \(stack.adminToken())", device: device)
        try await check(
            "users", stack, authorization: "Bearer \(stack.adminToken())", device: device,
            excluding: "/tokens/revoke$|/secret$|^/password$")
        try await stack.stop()
    }

    /// With a client to find, whose session is kept.
    @Test func mqttAdapterAnswersAsItsDocumentSays() async throws {
        let stack = try await Stack.start()
        let device = try await stack.makeDevice(token: stack.adminToken())
        let client = try ServiceProcess(
            program: try Executables.system("mosquitto_sub"),
            arguments: [
                "-h", "127.0.0.1", "-p", "\(stack.mqttPort)", "-u", device.thing, "-P", device.key, "-i", "sleeper",
                "-c", "-q", "1", "-t", "channels/\(device.channel)/messages/#", "-E",
            ], log: stack.directory.file("sub.log"))
        #expect(try await client.waitForExit() == .exited(0), "\(client.log)")
        try await check("mqtt-adapter", stack, authorization: "Bearer \(stack.adminToken())", device: device)
        try await stack.stop()
    }

    private func check(
        _ service: String, _ stack: Stack, authorization: String, device: Stack.Device, excluding: String? = nil
    ) async throws {
        let configuration = stack.directory.file("schemathesis.toml")
        // Identifiers that exist, so that more than "not found" is seen.
        try """
        [parameters]
        "path.channel" = "\(device.channel)"
        "path.thing" = "\(device.thing)"
        [warnings]
        display = []
        [[operations]]
        include-path-regex = "^/channels/\\\\{id\\\\}"
        parameters = { "path.id" = "\(device.channel)" }
        [[operations]]
        include-path-regex = "^/things/\\\\{id\\\\}"
        parameters = { "path.id" = "\(device.thing)" }
        [[operations]]
        include-path-regex = "^/clients/"
        parameters = { "path.id" = "\(device.thing)", "path.client" = "sleeper" }
        """.write(toFile: configuration, atomically: true, encoding: .utf8)
        let address = "http://127.0.0.1:\(stack.ports[service] ?? 0)"
        var arguments = [
            "--config-file", configuration, "run", "\(address)/openapi.json", "--url", address, "--header",
            "Authorization: \(authorization)", "--checks", Self.checks.joined(separator: ","), "--max-examples", "30",
            "--generation-deterministic", "--continue-on-failure", "--no-color", "--warnings", "off",
        ]
        if let excluding { arguments += ["--exclude-path-regex", excluding] }
        let program = Repository.file(".build/programs/bin/st")
        let run = try ServiceProcess(
            program: program, arguments: arguments, workingDirectory: stack.directory.path,
            log: stack.directory.file("schemathesis-\(service)-\(UUID()).log"))
        let status = try await run.waitForExit(deadline: .seconds(600))
        #expect(status == .exited(0), "\(service):\n\(run.log.suffix(12_000))")
        // A run that tested nothing would pass too.
        let passed = run.log.firstMatch(of: #/(\d+) generated, (\d+) passed/#).flatMap { Int($0.2) } ?? 0
        #expect(passed > 100, "\(service): \(run.log.suffix(2_000))")
    }
}
