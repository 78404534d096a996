// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

/// Keys and passwords with `martlet`.
@Suite(.serialized) struct CLIAccountTests {
    @Test func keysAndPasswords() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let client = try MartletClient(url: door.url)
        try await client.expect(
            0, "login", "--identity", Stack.adminEmail, "--password-stdin", input: Stack.adminPassword + "\n")
        try await keysAreMadeUsedAndEnded(client)
        try await eventually("the keys are in the journal") {
            let seen = try await client.expect(0, "journal", "--mine", "--operation", "key.created", "--json").json()
            return (seen["journals"] as? [Any])?.count == 2
        }
        let refused = try await client.expect(0, "journal", "--result", "refused").output
        #expect(refused.contains("POST /things") && refused.contains("action-not-granted"))
        try await client.expect(2, "journal", "--mine", "--user", "x")

        let new = "another horse battery"
        try await client.expect(1, "password", "change", "--password-stdin", input: "\(new)\n\(new)\n")
        try await client.expect(0, "password", "change", "--password-stdin", input: "\(Stack.adminPassword)\n\(new)\n")
        try await client.expect(
            3, "login", "--identity", Stack.adminEmail, "--password-stdin", input: Stack.adminPassword + "\n")
        try await client.expect(0, "login", "--identity", Stack.adminEmail, "--password-stdin", input: "\(new)\n")
        // No mail server is configured here.
        let request = try await client.expect(1, "password", "request-reset", Stack.adminEmail)
        #expect(request.errors.contains("mail-not-configured"))
        try await client.expect(2, "password", "reset", "--password-stdin", input: "token\n")
        try await stack.stop()
    }

    private func keysAreMadeUsedAndEnded(_ client: MartletClient) async throws {
        try await client.expect(2, "keys", "create", "ci")
        let made = try await client.expect(
            0, "keys", "create", "ci", "--scope", "things:read", "--expires", "720h", "--json"
        ).json()
        let secret = try #require(made["secret"] as? String)
        let identifier = try #require(made["id"] as? String)
        #expect(made["expires_at"] is String)
        let token = ["MARTLET_TOKEN": secret]
        try await client.expect(0, "things", "list", environment: token)
        try await client.expect(1, "things", "create", "x", environment: token)
        let list = try await client.expect(0, "keys")
        #expect(list.output.contains("things:read") && !list.output.contains(secret))
        try await client.expect(0, "keys", "revoke", identifier)
        try await eventually("the key is refused") {
            try await client.run(["things", "list"], environment: token).status == .exited(3)
        }

        let full = try await client.expect(0, "keys", "create", "all", "--all-rights", "--json").json()
        let value = try #require(full["value"] as? String)
        try await client.expect(0, "things", "create", "x", environment: ["MARTLET_TOKEN": value])
        #expect(try await client.expect(0, "keys", "list", "--all-rights").output.contains("all"))
        try await client.expect(0, "keys", "revoke", try #require(full["id"] as? String))
        try await client.expect(1, "keys", "revoke", identifier)
    }
}
