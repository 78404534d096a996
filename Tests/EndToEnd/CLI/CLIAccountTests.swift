// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
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
        try await profileHoldsAKey(client)
        try await eventually("the keys are in the journal") {
            let seen = try await client.expect(0, "journal", "--mine", "--operation", "key.created", "--json").json()
            return (seen["journals"] as? [Any])?.count == 3
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

    /// A profile that holds a key instead of a session: every command uses it, and nobody sees it.
    private func profileHoldsAKey(_ client: MartletClient) async throws {
        let made = try await client.expect(
            0, "keys", "create", "dashboard", "--scope", "things:read", "--scope", "groups:read", "--json"
        ).json()
        let secret = try #require(made["secret"] as? String)
        let ci = ["MARTLET_PROFILE": "ci"]
        try await client.expect(2, "login", "--key", input: "not a key\n", environment: ci)
        try await client.expect(3, "login", "--key", input: "martlet_pat_unknown\n", environment: ci)
        let login = try await client.expect(0, "login", "--key", input: secret + "\n", environment: ci)
        #expect(login.output.contains("by a key") && !login.output.contains(secret))
        var status = stat()
        #expect(lstat("\(client.configuration)/profiles/ci.json", &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(try await client.expect(0, "profile").output.contains("by key"))

        #expect(try await client.expect(0, "things", "list", environment: ci).output.contains("x"))
        try await client.expect(0, "groups", "tree", environment: ci)
        let me = try await client.expect(0, "whoami", "--json", environment: ci).json()
        #expect(me["by_key"] as? Bool == true && me["domain_id"] as? String == made["domain_id"] as? String)
        try await client.expect(1, "things", "create", "y", environment: ci)
        try await client.expect(1, "members", environment: ci)
        // What decides who gets in is not for keys.
        #expect(try await client.expect(1, "keys", environment: ci).errors.contains("martlet login"))
        try await client.expect(1, "domains", "use", "x", environment: ci)

        // In another domain it is good only there; the environment may bring it.
        let other = try await client.expect(0, "domains", "create", "other", "--json").json()
        let domain = try #require(other["id"] as? String)
        try await client.expect(
            2, "login", "--key", "--domain", domain, environment: ["MARTLET_PROFILE": "x", "MARTLET_TOKEN": secret])
        try await client.expect(
            0, "login", "--key", environment: ["MARTLET_PROFILE": "x", "MARTLET_TOKEN": secret])
        try await client.expect(0, "things", "list", environment: ["MARTLET_PROFILE": "x"])

        try await client.expect(0, "keys", "revoke", try #require(made["id"] as? String))
        try await eventually("the profile's key is refused") {
            try await client.run(["things", "list"], environment: ci).status == .exited(3)
        }
        try await client.expect(0, "logout", environment: ci)
        #expect(
            try !String(contentsOfFile: "\(client.configuration)/profiles/ci.json", encoding: .utf8).contains(secret))
    }
}
