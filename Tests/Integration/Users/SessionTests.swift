// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Identity
import Logging
import NIOCore
import ServiceKit
import TestKit
import Testing

@Suite(.serialized) struct SessionTests {
    @Test func refreshTokensRotateAndReuseEndsTheSession() async throws {
        try await UsersFixture.with { users in
            try await users.register("u")
            let first = try await users.logIn("u")
            let second: TokenPair = try users.expect(201, await users.refresh(first.refresh_token)).json()
            #expect(second.refresh_token != first.refresh_token)
            // In the body, too.
            let third: TokenPair = try users.expect(
                201, await users.client.post("/users/tokens/refresh", json: ["refresh_token": second.refresh_token])
            ).json()
            #expect(try await users.client.get("/users/profile", headers: third.bearer).status == 200)

            // The first one comes again: somebody has a copy. Neither goes on.
            let reuse = try await users.refresh(first.refresh_token)
            #expect(reuse.status == 401)
            #expect(try reuse.json(ProblemBody.self).reason == "refresh-token-reused")
            #expect(try await users.refresh(third.refresh_token).status == 401)
            #expect(try await users.client.get("/users/profile", headers: third.bearer).status == 401)
            // Another session of the same user has nothing to do with it.
            let other = try await users.logIn("u")
            #expect(try await users.client.get("/users/profile", headers: other.bearer).status == 200)
            #expect(try await users.refresh("no such token").status == 401)
        }
    }

    private struct Document: Decodable {
        struct Operation: Decodable {
            struct Response: Decodable {}
            let responses: [String: Response]
        }
        let paths: [String: [String: Operation]]
    }

    /// What only a domain can bring about stands in the document, too.
    @Test func whatADomainRefusesIsDocumented() async throws {
        try await UsersFixture.with { users in
            let user = try await users.register("u")
            let pair = try await users.logIn("u")
            let home = "/domains/\(try #require(user.default_domain))"
            let elsewhere = DomainID.new().description
            let refresh = "/users/tokens/refresh"
            try users.expect(200, await users.send("POST", "\(home)/disable", as: pair))
            let refused = [
                ("/tokens", 403, "not-a-member", ["email": "u", "password": "a long secret", "domain_id": elsewhere]),
                (
                    "/users/tokens/issue", 403, "not-a-member",
                    ["identity": "u", "secret": "a long secret", "domain_id": elsewhere]
                ),
                (refresh, 403, "domain-not-enabled", ["refresh_token": pair.refresh_token]),
                (
                    refresh, 422, "session-keeps-domain",
                    ["refresh_token": pair.refresh_token, "domain_id": elsewhere]
                ),
            ]
            let document = try await users.client.get("/openapi.json").json(Document.self)
            for (path, status, reason, body) in refused {
                let answer = try await users.client.post(path, json: body)
                #expect(answer.status == status && answer.problem?.reason == reason, "\(path): \(answer.text)")
                let documented = document.paths[path]?["post"]?.responses["\(status)"]
                #expect(documented != nil, "\(path): \(status) is not documented")
            }
        }
    }

    @Test func ofManyThatRefreshAtOnceOneWins() async throws {
        try await UsersFixture.with { users in
            try await users.register("u")
            let pair = try await users.logIn("u")
            var statuses: [Int] = []
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 { group.addTask { try await users.refresh(pair.refresh_token).status } }
                for try await status in group { statuses.append(status) }
            }
            #expect(statuses.sorted() == [201] + Array(repeating: 401, count: 7))
        }
    }

    @Test func aVerifierElsewhereHearsOfEveryRevocation() async throws {
        try await UsersFixture.with { users in
            let admin = try await users.admin()
            let user = try await users.register("u")
            try await users.withVerifier { verifier in
                // Logging out.
                let first = try await users.logIn("u")
                let principal = try await verifier.verify(first.access_token)
                #expect(principal.user.description == user.id && principal.role == .admin)
                #expect(principal.domain?.description == user.default_domain)
                let begin = ContinuousClock.now
                try users.expect(
                    204, await users.client.post("/users/tokens/revoke", text: "", headers: first.bearer))
                try await eventually("the logged out session is refused", interval: .milliseconds(2)) {
                    await refusal(first.access_token, by: verifier) == "token-revoked"
                }
                print("a revocation took \(ContinuousClock.now - begin) from the request to the refusal elsewhere")
                // Reuse of a refresh token.
                let second = try await users.logIn("u")
                _ = try await users.refresh(second.refresh_token)
                #expect(await refusal(second.access_token, by: verifier) == nil)
                _ = try await users.refresh(second.refresh_token)
                try await eventually("the copied session is refused") {
                    await refusal(second.access_token, by: verifier) == "token-revoked"
                }
                // A user who is switched off.
                let third = try await users.logIn("u")
                #expect(await refusal(third.access_token, by: verifier) == nil)
                try users.expect(
                    200, await users.client.post("/users/\(user.id)/disable", text: "", headers: admin.bearer))
                #expect(try await users.client.get("/users/profile", headers: third.bearer).status == 401)
                try await eventually("the disabled user is refused") {
                    await refusal(third.access_token, by: verifier) == "token-revoked"
                }
                #expect(try await users.refresh(third.refresh_token).status == 401)
                let login = ["identity": "u", "secret": "a long secret"]
                #expect(try await users.client.post("/users/tokens/issue", json: login).status == 401)
                // The administrator's own token is untouched by all that.
                #expect(await refusal(admin.access_token, by: verifier) == nil)
            }
        }
    }

    /// What was revoked while the bus was away is refused as soon as it is back, although the event was not heard then.
    @Test func aVerifierCatchesUpAfterTheBusWasAway() async throws {
        try await UsersFixture.with { users in
            try await users.register("u")
            try await users.withVerifier { verifier in
                let pair = try await users.logIn("u")
                #expect(await refusal(pair.access_token, by: verifier) == nil)
                await users.bus.kill()
                // What is known goes on working meanwhile.
                #expect(await refusal(pair.access_token, by: verifier) == nil)
                try users.expect(
                    204, await users.client.post("/users/tokens/revoke", text: "", headers: pair.bearer))
                let again = try users.bus.startAgain()
                try await eventually("the revocation is known") {
                    await refusal(pair.access_token, by: verifier) == "token-revoked"
                }
                await again.kill()
            }
        }
    }

    @Test func twoInstancesShareTheirKeysAndTheirUsers() async throws {
        try await UsersFixture.with { users in
            let (environment, group) = try await UsersFixture.instance(bus: users.bus, databaseURL: users.databaseURL)
            let run = Task { try await group.run() }
            let other = HTTPClient(port: await environment.httpPort.value())
            let pair = try await users.admin()
            #expect(try await other.get("/users/profile", headers: pair.bearer).status == 200)
            let answer = try await users.client.get("/.well-known/jwks.json")
            let here = try answer.json(PublicKeySet.self)
            let there = try await other.get("/.well-known/jwks.json").json(PublicKeySet.self)
            #expect(here == there && here.keys.count == 1 && here.keys.first?.kty == "OKP")
            // `d` would be the private key.
            #expect(!answer.text.contains("\"d\""))
            _ = try await AccessTokenValidator(here).validate(pair.access_token, now: WallClock.system.now())
            await group.triggerGracefulShutdown()
            try await run.value
        }
    }

    @Test func everyChangeIsAnnouncedDurably() async throws {
        try await UsersFixture.with { users in
            let user = try await users.register("u")
            let connection = SocketBus.connect(
                SocketBusConfiguration(path: users.bus.socket, name: "martlet"),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await connection.waitUntilConnected(timeout: .seconds(60))
            try await eventually("the events are in the stream") {
                let stored = try await connection.read(stream: "events", from: 1, maximumBytes: 1 << 20)
                return stored.contains {
                    $0.subject == "events.users.user.created" && String(buffer: $0.payload).contains(user.id)
                } && stored.contains { $0.subject == "events.users.domain.created" }
            }
            await connection.close()
        }
    }
}
