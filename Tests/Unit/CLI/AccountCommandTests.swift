// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Testing

@testable import MartletCLI

/// `martlet keys` and `martlet password`.
@Suite struct AccountCommandTests {
    @Test func keyWithScopesIsShownOnce() async throws {
        let fixture = try CommandFixture([
            "POST /pats": .json(#"{"id":"k","name":"ci","secret":"martlet_pat_x","hint":"x"}"#, status: 201),
            CommandFixture.list("/pats"): CommandFixture.page(
                "pats", #"{"id":"k","name":"ci","hint":"x","scopes":[{"action":"things:read"},{"action":"a:b"}]}"#),
        ])
        let made = try await fixture.run(
            KeysCommand.Create.self,
            ["ci", "--scope", "things:read", "--scope", "channels:read=c1,c2", "--expires", "720h"])
        #expect(
            made.requests == [
                #"POST /pats {"name":"ci","duration":"720h","scopes":[{"action":"things:read"},{"action":"channels:read","entity_ids":["c1","c2"]}]}"#
            ])
        #expect(made.output.contains("martlet_pat_x"))
        let list = try await fixture.run(KeysCommand.List.self, [])
        #expect(list.output.contains("things:read, a:b") && !list.output.contains("martlet_pat_x"))
    }

    @Test func keyWithAllRightsIsOfTheOtherKind() async throws {
        let fixture = try CommandFixture([
            "POST /keys": .json(#"{"id":"k","value":"martlet_key_x"}"#, status: 201),
            CommandFixture.list("/keys"): CommandFixture.page("keys"),
        ])
        let made = try await fixture.run(KeysCommand.Create.self, ["ci", "--all-rights", "--json"])
        #expect(made.requests == [#"POST /keys {"name":"ci"}"#])
        #expect(try JSONParser.parse(made.output)["value"]?.text == "martlet_key_x")
        let list = try await fixture.run(KeysCommand.List.self, ["--all-rights"])
        #expect(list.output.isEmpty && list.errors == "No keys.\n")
    }

    @Test(arguments: [["ci"], ["ci", "--all-rights", "--scope", "a:b"], []])
    func keyIsForScopesOrForAll(arguments: [String]) {
        #expect(throws: (any Error).self) { try KeysCommand.Create.parse(arguments) }
    }

    @Test(arguments: [
        ("a:b", #"{"action":"a:b"}"#), ("a:b=", #"{"action":"a:b","entity_ids":[]}"#),
        ("a:b=x", #"{"action":"a:b","entity_ids":["x"]}"#), ("", #"{"action":""}"#),
        ("a=b=c", #"{"action":"a","entity_ids":["b=c"]}"#),
    ])
    func scopesAreRead(text: String, scope: String) {
        #expect(KeysCommand.Create.scope(text).description == scope)
    }

    @Test func keyOfEitherKindIsRevoked() async throws {
        let fixture = try CommandFixture([
            "DELETE /pats/p": .json("", status: 204), "DELETE /keys/k": .json("", status: 204),
        ])
        #expect(try await fixture.run(KeysCommand.Revoke.self, ["p"]).requests == ["DELETE /pats/p"])
        let other = try await fixture.run(KeysCommand.Revoke.self, ["k"])
        #expect(other.requests == ["DELETE /pats/k", "DELETE /keys/k"])
        #expect(other.output == "Revoked k.\n")
        // What is no identifier stays one element of the path.
        let none = try await fixture.run(KeysCommand.Revoke.self, ["../users?x"])
        #expect(none.requests.last == "DELETE /keys/..%2Fusers%3Fx")
        #expect(none.failure?.status == .refused)
    }

    @Test(arguments: [false, true])
    func passwordIsChanged(revokes: Bool) async throws {
        let fixture = try CommandFixture(["PATCH /users/secret": .json(#"{"id":"u"}"#)])
        let run = try await fixture.run(
            PasswordCommand.Change.self, revokes ? ["--revoke-keys"] : [], secrets: ["old \"one\"", "new"])
        let keys = revokes ? #","revoke_keys":true"# : ""
        #expect(run.requests == [#"PATCH /users/secret {"old_secret":"old \"one\"","new_secret":"new"\#(keys)}"#])
        #expect(run.output == "Changed the password of u.\n")
    }

    @Test func nothingIsSentWithoutBothPasswords() async throws {
        let fixture = try CommandFixture([:])
        let run = try await fixture.run(PasswordCommand.Change.self, [], secrets: ["old"])
        #expect(run.failure?.status == .usage)
        #expect(run.requests.isEmpty)
    }

    @Test func lostPasswordIsReplacedWithoutALogin() async throws {
        let fixture = try CommandFixture([
            "POST /password/reset-request": .json(#"{"msg":"a mail is on its way"}"#, status: 201),
            "PUT /password/reset": .json(#"{"msg":"the password was changed"}"#, status: 201),
        ])
        let asked = try await fixture.run(PasswordCommand.RequestReset.self, ["ada@example.com"], token: nil)
        #expect(asked.requests == [#"POST /password/reset-request {"email":"ada@example.com"}"#])
        #expect(asked.output.contains("on its way"))
        let reset = try await fixture.run(PasswordCommand.Reset.self, [], secrets: ["-token", "new"], token: nil)
        #expect(reset.requests == [#"PUT /password/reset {"token":"-token","password":"new"}"#])
        #expect(fixture.server.requests.allSatisfy { $0.headers["authorization"] == nil })
    }

    @Test func tokenThatIsTooOldAsksForAnother() async throws {
        let fixture = try CommandFixture([
            "PUT /password/reset": .json(#"{"status":401,"reason":"invalid-reset-token","detail":"no"}"#, status: 401)
        ])
        let reset = try await fixture.run(PasswordCommand.Reset.self, [], secrets: ["t", "new"], token: nil)
        #expect(reset.failure?.status == .notAuthenticated)
        #expect(reset.failure?.advice?.contains("request-reset") == true)
    }
}
