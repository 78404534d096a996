// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Synchronization
import TestKit
import Testing

@testable import MartletCLI

/// The refresh token is good for one use: a second use would end the session, as the users service has it.
@Suite struct SessionTests {
    private let directory: TemporaryDirectory
    private let store: ProfileStore

    init() throws {
        directory = try TemporaryDirectory("session")
        store = ProfileStore(directory: directory.file("martlet"))
    }

    private static func token(expiring seconds: Double, _ mark: String = "x") -> String {
        func part(_ text: String) -> String {
            Data(text.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing(
                "=", with: "")
        }
        return "\(part("{}")).\(part("{\"exp\":\(Int(seconds)),\"jti\":\"\(mark)\"}")).signature"
    }

    /// As the users service: each refresh token works once, and a used one ends everything.
    private final class TokenIssuer: Sendable {
        private struct State {
            var current = "refresh-0"
            var issued = 0
            var isEnded = false
        }
        private let state = Mutex(State())
        var issued: Int { state.withLock { $0.issued } }

        func answer(_ request: ScriptedServer.Request, expiring seconds: Double) -> ScriptedServer.Answer {
            let given = (try? JSONParser.parse(request.body))?["refresh_token"]?.text
            return state.withLock { state in
                guard given == state.current, !state.isEnded else {
                    state.isEnded = true
                    return .json(#"{"status":401,"reason":"refresh-token-reused","detail":"used before"}"#, status: 401)
                }
                state.issued += 1
                state.current = "refresh-\(state.issued)"
                let access = SessionTests.token(expiring: seconds, "\(state.issued)")
                return .json(#"{"access_token":"\#(access)","refresh_token":"\#(state.current)"}"#, status: 201)
            }
        }
    }

    private func logIn(_ server: ScriptedServer, accessToken: String) throws {
        var profile = Profile(url: server.url)
        profile.accessToken = accessToken
        profile.refreshToken = "refresh-0"
        try store.save(profile, as: "default")
    }

    private func session(_ server: ScriptedServer, now: Double = 1_000) throws -> Session {
        Session(
            store: store, profileName: "default", client: try APIClient(address: ServerAddress(server.url)),
            now: { now })
    }

    @Test func goodTokenIsUsedAsItIs() async throws {
        let server = try ScriptedServer { _ in .json("{}", status: 500) }
        let token = Self.token(expiring: 1_031)
        try logIn(server, accessToken: token)
        let session = try session(server)
        #expect(try await session.accessToken() == token)
        #expect(server.requests.isEmpty)
        await session.client.shutdown()
    }

    @Test func spentTokenIsExchangedOnceHoweverManyNeedOne() async throws {
        let issuer = TokenIssuer()
        let server = try ScriptedServer { issuer.answer($0, expiring: 5_000) }
        try logIn(server, accessToken: Self.token(expiring: 1_029))
        let session = try session(server)
        let tokens = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<20 { group.addTask { try await session.accessToken() } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(tokens.count == 1)
        #expect(issuer.issued == 1)
        #expect(try store.load("default")?.refreshToken == "refresh-1")
        await session.client.shutdown()
    }

    @Test func tokenThatWasRefusedIsExchangedUnlessSomebodyDidAlready() async throws {
        let issuer = TokenIssuer()
        let server = try ScriptedServer { issuer.answer($0, expiring: 5_000) }
        let refused = Self.token(expiring: 9_000)
        try logIn(server, accessToken: refused)
        let session = try session(server)
        let new = try await session.accessToken(refused: refused)
        #expect(new != refused)
        #expect(try await session.accessToken(refused: refused) == new)
        #expect(issuer.issued == 1)
        await session.client.shutdown()
    }

    @Test func sessionThatHasEndedAsksForALogin() async throws {
        let server = try ScriptedServer { _ in
            .json(
                #"{"status":401,"reason":"session-ended","detail":"the session has ended; log in again"}"#, status: 401)
        }
        try logIn(server, accessToken: Self.token(expiring: 0))
        let session = try session(server)
        let failure = await #expect(throws: CommandFailure.self) { try await session.accessToken() }
        #expect(failure?.status == .notAuthenticated)
        #expect(failure?.advice == "martlet login")
        await session.client.shutdown()
    }

    @Test func whoWasTakenOutOfTheDomainHasNoSession() async throws {
        let server = try ScriptedServer { _ in
            .json(#"{"status":403,"reason":"not-a-member","detail":"you are not a member"}"#, status: 403)
        }
        try logIn(server, accessToken: Self.token(expiring: 0))
        let session = try session(server)
        let failure = await #expect(throws: CommandFailure.self) { try await session.accessToken() }
        #expect(failure?.status == .notAuthenticated && failure?.reason == "not-a-member")
        #expect(failure?.advice == "martlet login")
        await session.client.shutdown()
    }

    @Test func serverThatIsAwayLosesNothing() async throws {
        let server = try ScriptedServer { _ in .json(#"{"status":503,"reason":"service-away"}"#, status: 503) }
        try logIn(server, accessToken: Self.token(expiring: 0))
        let session = try session(server)
        let failure = await #expect(throws: CommandFailure.self) { try await session.accessToken() }
        #expect(failure?.status == .unreachable)
        #expect(try store.load("default")?.refreshToken == "refresh-0")
        await session.client.shutdown()
    }

    @Test func nobodyLoggedInIsSaid() async throws {
        let server = try ScriptedServer { _ in .json("{}") }
        let session = try session(server)
        let failure = await #expect(throws: CommandFailure.self) { try await session.accessToken() }
        #expect(failure?.reason == "not-logged-in")
        await session.client.shutdown()
    }

    @Test func whatAProfileHoldsIsNeverSentToAnotherServer() async throws {
        let other = try ScriptedServer { _ in .json("{}") }
        try logIn(other, accessToken: Self.token(expiring: 9e9))
        try await store.update("default") { $0?.store(Profile.StoredKey(thing: "t", name: "n", key: "secret")) }
        let elsewhere = try ScriptedServer { _ in .json("{}") }
        let home = (directory.path as NSString)
        let environment = ["XDG_CONFIG_HOME": home as String, "MARTLET_URL": elsewhere.url]
        let context = try CommandContext(GlobalOptions.parse([]), environment: environment)
        let failure = await #expect(throws: CommandFailure.self) {
            try await context.person(APIRequest(.get, "/things"))
        }
        #expect(failure?.status == .notAuthenticated)
        #expect(try context.key(nil, thing: nil) == nil)
        #expect(throws: CommandFailure.self) { try context.key(nil, thing: "n") }
        #expect(elsewhere.requests.isEmpty && other.requests.isEmpty)
        await context.client.shutdown()
    }

    @Test(arguments: ["", "a.b", "a.b.c", "a.!!.c", "..", "\(String(repeating: ".", count: 9))"])
    func tokensThatAreNoneAreNone(token: String) {
        #expect(AccessToken(token) == nil)
        // Whether it is good is the server's to say.
        #expect(!AccessToken.isSpent(token, now: 0))
    }
}
