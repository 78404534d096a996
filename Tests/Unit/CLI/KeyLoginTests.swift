// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Glibc
import TestKit
import Testing

@testable import MartletCLI

/// A profile that holds a key for programs instead of a session.
@Suite struct KeyLoginTests {
    private static let key = "martlet_pat_0123456789"
    private static let domain = CommandFixture.domain
    private static let other = CommandFixture.identifiers[0]

    private static let user = ScriptedServer.Answer.json(
        #"{"id":"u","name":"Ada","credentials":{"identity":"ada@example.com"},"default_domain":"\#(domain)"}"#)
    private static let forbidden = ScriptedServer.Answer.json(
        #"{"status":403,"reason":"action-not-granted","detail":"no"}"#, status: 403)

    /// The key is for the user's own domain, and may not even read that.
    private func fixture(_ more: [String: ScriptedServer.Answer] = [:]) throws -> CommandFixture {
        try CommandFixture(
            ["GET /users/profile": Self.user, "GET /domains/\(Self.domain)": Self.forbidden].merging(more) { $1 })
    }

    private func logIn(_ fixture: CommandFixture, _ arguments: String..., typed: String = Self.key) async throws
        -> CommandFixture.Run
    {
        try await fixture.run(LoginCommand.self, ["--key"] + arguments, secrets: [typed], token: nil)
    }

    @Test func keyIsKeptForItsOwnerAloneAndUsed() async throws {
        let fixture = try fixture(["GET /things?offset=0&limit=100": CommandFixture.page("things")])
        let login = try await logIn(fixture)
        #expect(login.failure == nil)
        #expect(login.output.contains("ada@example.com") && login.output.contains("by a key"))
        #expect(!login.output.contains(Self.key))
        let profile = try #require(try fixture.store.load("default"))
        #expect(profile.apiKey == Self.key && profile.domain == Self.domain && profile.refreshToken == nil)
        var status = stat()
        #expect(lstat("\(fixture.store.directory)/profiles/default.json", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)

        let list = try await fixture.run(ThingsCommand.List.self, [], token: nil)
        #expect(list.failure == nil)
        #expect(fixture.server.requests.allSatisfy { $0.headers["authorization"] == "Bearer \(Self.key)" })
        let profiles = try await fixture.run(ProfileCommand.List.self, ["--json"], token: nil)
        #expect(profiles.output.contains(#""by_key": true"#) && !profiles.output.contains(Self.key))
    }

    @Test func environmentMayBringTheKey() async throws {
        let fixture = try fixture()
        let login = try await fixture.run(LoginCommand.self, ["--key"], token: Self.key)
        #expect(login.failure == nil)
        #expect(try fixture.store.load("default")?.apiKey == Self.key)
    }

    @Test(arguments: ["x", "", "martlet_pat_ä", "martlet_pat_a b", "martlet_pat_a\r\nX: y", CommandFixture.token()])
    func whatIsNoKeyIsNotEvenSent(text: String) async throws {
        let fixture = try fixture()
        let login = try await logIn(fixture, typed: text)
        #expect(login.failure?.status == .usage)
        #expect(login.requests.isEmpty)
        #expect(try fixture.store.load("default") == nil)
    }

    @Test func keyThatIsRefusedIsNotKept() async throws {
        let fixture = try CommandFixture([
            "GET /users/profile": .json(#"{"status":401,"reason":"invalid-key","detail":"no"}"#, status: 401)
        ])
        let login = try await logIn(fixture)
        #expect(login.failure?.status == .notAuthenticated)
        #expect(login.failure?.advice?.contains("keys create") == true)
        #expect(try fixture.store.load("default") == nil)
    }

    @Test func keyOfAnotherDomainHasToBeNamed() async throws {
        let fixture = try CommandFixture(["GET /users/profile": Self.user, "GET /domains/\(Self.other)": .json("{}")])
        let unnamed = try await logIn(fixture)
        #expect(unnamed.failure?.advice?.contains("--domain") == true)
        let byName = try await logIn(fixture, "--domain", "plant")
        #expect(byName.failure?.status == .usage && byName.requests.isEmpty)
        let wrong = try await logIn(fixture, "--domain", CommandFixture.identifiers[1])
        #expect(wrong.failure?.status == .usage)
        #expect(try fixture.store.load("default") == nil)
        #expect(try await logIn(fixture, "--domain", Self.other).failure == nil)
        #expect(try fixture.store.load("default")?.domain == Self.other)
    }

    @Test func keyTakesTheSessionsPlaceAndAnotherLoginTheKeys() async throws {
        let fixture = try fixture([
            "POST /users/tokens/revoke": .json("", status: 204),
            "POST /users/tokens/issue": .json(
                #"{"access_token":"\#(CommandFixture.token())","refresh_token":"r2"}"#, status: 201),
        ])
        var profile = Profile(url: fixture.server.url)
        profile.refreshToken = "r1"
        profile.store(Profile.StoredKey(thing: "t", name: "n", key: "k"))
        try fixture.store.save(profile, as: "default")
        let byKey = try await logIn(fixture)
        #expect(byKey.requests.contains(#"POST /users/tokens/revoke {"refresh_token":"r1"}"#))
        let kept = try #require(try fixture.store.load("default"))
        #expect(kept.refreshToken == nil && kept.apiKey == Self.key && kept.keys.count == 1)

        let byPassword = try await fixture.run(LoginCommand.self, [], secrets: ["secret"], token: nil)
        #expect(byPassword.failure == nil)
        let back = try #require(try fixture.store.load("default"))
        #expect(back.apiKey == nil && back.domain == nil && back.refreshToken == "r2" && back.keys.count == 1)
    }

    @Test func revokedKeyIsToldAndNothingElseIsTried() async throws {
        let fixture = try fixture()
        _ = try await logIn(fixture)
        let gone = try CommandFixture([
            CommandFixture.list("/things"): .json(#"{"status":401,"reason":"invalid-key"}"#, status: 401)
        ])
        var profile = try #require(try fixture.store.load("default"))
        profile.url = gone.server.url
        try gone.store.save(profile, as: "default")
        let list = try await gone.run(ThingsCommand.List.self, [], token: nil)
        #expect(list.failure?.status == .notAuthenticated && list.failure?.reason == "invalid-key")
        #expect(list.failure?.advice?.contains("--key") == true)
        #expect(list.requests.count == 1)
        // And it is never sent to another server.
        profile.url = fixture.server.url
        try gone.store.save(profile, as: "default")
        #expect(try await gone.run(ThingsCommand.List.self, [], token: nil).requests.isEmpty)
    }

    @Test func logoutForgetsTheKeyHereOnly() async throws {
        let fixture = try fixture()
        _ = try await logIn(fixture)
        let logout = try await fixture.run(LogoutCommand.self, [], token: nil)
        #expect(logout.requests.isEmpty && logout.errors.contains("still good"))
        let left = try String(contentsOfFile: "\(fixture.store.directory)/profiles/default.json", encoding: .utf8)
        #expect(!left.contains(Self.key))
        #expect(try await fixture.run(LogoutCommand.self, [], token: nil).failure?.reason == "not-logged-in")
    }

    @Test func keyStaysInItsDomain() async throws {
        let fixture = try fixture()
        _ = try await logIn(fixture)
        let use = try await fixture.run(DomainsCommand.Use.self, ["plant"], secrets: ["secret"], token: nil)
        #expect(use.failure?.reason == "key-has-a-domain" && use.requests.isEmpty)
    }

    @Test func identityGoesWithoutAKey() {
        #expect(throws: (any Error).self) { try LoginCommand.parse(["--key", "--identity", "ada"]) }
    }
}
