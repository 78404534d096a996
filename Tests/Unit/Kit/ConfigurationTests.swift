// SPDX-License-Identifier: Apache-2.0
import Foundation
import ServiceKit
import TestKit
import Testing

@Suite struct ConfigurationTests {
    private static let port = ConfigurationKey<Int>("http.port", default: 8180, range: 0...65_535, help: "Port.")
    private static let secret = ConfigurationKey<String>(
        "admin.password", default: nil, help: "Secret.", isSecret: true)
    private static let flag = ConfigurationKey<Bool>("self.register", default: false, help: "Flag.")
    private static let keys: [any ConfigurationDeclaration] = [
        port, secret, flag, StandardKeys.busSocket, StandardKeys.databaseURL,
    ]

    private func load(_ arguments: [String] = [], _ environment: [String: String] = [:]) async throws
        -> ServiceConfiguration
    {
        try await ServiceConfiguration.load(
            service: "http-adapter", keys: Self.keys, arguments: ["program"] + arguments, environment: environment)
    }

    @Test func flagsPrecedeEnvironmentPrecedesFilePrecedesDefault() async throws {
        let directory = try TemporaryDirectory("config")
        let file = directory.file("config.json")
        try #"{"http":{"port":3},"admin":{"password":"from file"}}"#.write(
            toFile: file, atomically: true, encoding: .utf8)
        let environment = ["MARTLET_HTTP_ADAPTER_HTTP_PORT": "2"]
        #expect(try await load().optional(Self.port) == 8180)
        #expect(try await load(["--config", file]).optional(Self.port) == 3)
        #expect(try await load(["--config", file], environment).optional(Self.port) == 2)
        #expect(try await load(["--config=\(file)", "--http-port", "1"], environment).optional(Self.port) == 1)
        #expect(try await load(["--http-port=1"], environment).optional(Self.port) == 1)
        #expect(try await load(["--config", file]).optional(Self.secret) == "from file")
        #expect(try await load([], ["MARTLET_HTTP_ADAPTER_CONFIG": file]).optional(Self.port) == 3)
    }

    @Test func sharedKeysAreReadWithoutTheServicesName() async throws {
        let own = [
            "MARTLET_HTTP_ADAPTER_BUS_SOCKET": "/own", "MARTLET_BUS_SOCKET": "/shared",
            "DATABASE_URL": "postgresql:///x",
        ]
        #expect(try await load([], own).optional(StandardKeys.busSocket) == "/own")
        #expect(try await load([], ["MARTLET_BUS_SOCKET": "/shared"]).optional(StandardKeys.busSocket) == "/shared")
        #expect(try await load([], own).optional(StandardKeys.databaseURL) == "postgresql:///x")
        // A key that is not shared is not.
        #expect(try await load([], ["MARTLET_HTTP_PORT": "1", "HTTP_PORT": "1"]).optional(Self.port) == 8180)
    }

    @Test func whatCannotBeUsedIsRefusedByName() async throws {
        await #expect(throws: ConfigurationError.invalid(key: "http.port", problem: "is not an integer")) {
            try await load(["--http-port", "eighty"])
        }
        await #expect(throws: ConfigurationError.invalid(key: "http.port", problem: "must be between 0 and 65535")) {
            try await load([], ["MARTLET_HTTP_ADAPTER_HTTP_PORT": "70000"])
        }
        await #expect(throws: ConfigurationError.invalid(key: "self.register", problem: "is not true or false")) {
            try await load([], ["MARTLET_HTTP_ADAPTER_SELF_REGISTER": "perhaps"])
        }
        await #expect(throws: ConfigurationError.unknownFlag("--htp-port")) { try await load(["--htp-port", "1"]) }
        await #expect(throws: ConfigurationError.unknownFlag("extra")) { try await load(["extra"]) }
        await #expect(throws: ConfigurationError.self) { try await load(["--config", "/does/not/exist"]) }
        await #expect(throws: ConfigurationError.self) { try await load(["--http-port"]) }
        await #expect(throws: ConfigurationError.missing(key: "admin.password", help: "Secret.")) {
            try await load().required(Self.secret)
        }
    }

    @Test func flagsWithoutValueAreTrueAndEmptyVariablesAreNotSet() async throws {
        #expect(try await load(["--self-register"]).optional(Self.flag) == true)
        #expect(try await load(["--self-register", "--http-port", "1"]).optional(Self.port) == 1)
        #expect(try await load(["--self-register=false"]).optional(Self.flag) == false)
        #expect(try await load([], ["MARTLET_HTTP_ADAPTER_HTTP_PORT": ""]).optional(Self.port) == 8180)
    }

    @Test func typingErrorsInTheEnvironmentAreSeen() async throws {
        let configuration = try await load(
            [], ["MARTLET_HTTP_ADAPTER_HTP_PORT": "1", "MARTLET_BUS_SOCKET": "/x", "PATH": "/"])
        #expect(configuration.unknownEnvironmentVariables == ["MARTLET_HTTP_ADAPTER_HTP_PORT"])
    }

    @Test func theHelpNamesEveryKeyAndNoSecret() {
        let usage = ServiceConfiguration.usage(service: "http-adapter", summary: "x", keys: Self.keys)
        for key in Self.keys {
            #expect(usage.contains(key.flag) && usage.contains(key.environmentVariable(service: "http-adapter")))
        }
        #expect(usage.contains("DATABASE_URL") && usage.contains("MARTLET_HTTP_ADAPTER_ADMIN_PASSWORD"))
    }
}
