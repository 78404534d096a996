// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// Guessing a password becomes slower with every guess, and tells nothing about who is there.
@Suite(.serialized) struct LockOutTests {
    private static let settings: [String: any Sendable] = ["lockout.failures": 3, "lockout.seconds": 30]

    private func attempt(_ identity: String, _ secret: String, _ users: UsersFixture) async throws
        -> HTTPClient.Response
    {
        try await users.client.post("/users/tokens/issue", json: ["identity": identity, "secret": secret])
    }

    private func wait(_ answer: HTTPClient.Response) -> Int? {
        guard answer.status == 429, answer.problem?.reason == "locked-out" else { return nil }
        return answer.headers["retry-after"].flatMap { Int($0) }
    }

    @Test func waitsGrowAndEnd() async throws {
        try await UsersFixture.with(Self.settings) { users in
            let user = try await users.register("target")
            for identity in ["target", "nobody"] {
                for _ in 0..<3 { #expect(try await attempt(identity, "wrong secret", users).status == 401) }
                // Now not even the right password helps; an unknown identity is not told from one that is there.
                let locked = try await attempt(identity, "a long secret", users)
                #expect(wait(locked).map { (1...31).contains($0) } == true, "\(locked.status) \(locked.text)")
            }
            // The next failure doubles the wait, whatever the case in which the identity is typed.
            users.clock.advance(seconds: 31)
            #expect(try await attempt("TARGET", "wrong secret", users).status == 401)
            let longer = try #require(wait(try await attempt("target", "a long secret", users)))
            #expect((32...61).contains(longer))
            users.clock.advance(seconds: 61)
            _ = try await users.logIn("target")
            // A success forgets the failures.
            for _ in 0..<2 { #expect(try await attempt("target", "wrong secret", users).status == 401) }
            _ = try await users.logIn("target")

            #expect(try await users.metric(#"martlet_users_logins_total{outcome="locked"}"#) == 3)
            try await eventually("the locks are announced") {
                let events = try await users.announced("events.users.user.locked")
                return events.count == 2 && events.allSatisfy { $0.contains(user.id) }
            }
        }
    }

    @Test func anAdministratorUnlocks() async throws {
        try await UsersFixture.with(Self.settings) { users in
            let user = try await users.register("target")
            for _ in 0..<3 { _ = try await attempt("target", "wrong secret", users) }
            #expect(wait(try await attempt("target", "a long secret", users)) != nil)
            let admin = try await users.admin()
            let bystander = try await users.register("bystander")
            let pair = try await users.logIn("bystander")
            #expect(try await users.send("POST", "/users/\(user.id)/unlock", as: pair).status == 403)
            #expect(try await users.send("POST", "/users/\(bystander.id)/unlock", as: admin).status == 200)
            try users.expect(200, await users.send("POST", "/users/\(user.id)/unlock", as: admin))
            _ = try await users.logIn("target")
            try await eventually("it is announced, once") {
                try await users.announced("events.users.user.unlocked").count == 1
            }
        }
    }

    /// Counted, not timed: an answer about somebody who is not there costs exactly what a wrong password costs.
    @Test func whoIsNotThereCostsAsMuchAsAWrongPassword() async throws {
        try await UsersFixture.with(Self.settings) { users in
            try await users.register("known")
            let disabled = try await users.register("disabled")
            let admin = try await users.admin()
            try users.expect(200, await users.send("POST", "/users/\(disabled.id)/disable", as: admin))
            func hashes(_ identity: String, _ secret: String) async throws -> Double {
                let before = try #require(try await users.metric("martlet_users_password_hashes_total"))
                _ = try await attempt(identity, secret, users)
                return try #require(try await users.metric("martlet_users_password_hashes_total")) - before
            }
            #expect(try await hashes("known", "wrong secret") == 1)
            #expect(try await hashes("unknown", "wrong secret") == 1)
            #expect(try await hashes("disabled", "a long secret") == 1)
            #expect(try await hashes("known", "a long secret") == 1)
            for identity in ["known", "unknown"] {
                for _ in 0..<3 { _ = try await attempt(identity, "wrong secret", users) }
                #expect(try await hashes(identity, "wrong secret") == 0, "locked: nothing is computed")
            }
        }
    }

    /// Many guesses at once are not counted as one.
    @Test func guessesAtTheSameTimeAreAllCounted() async throws {
        try await UsersFixture.with(["lockout.failures": 20, "lockout.seconds": 30]) { users in
            try await users.register("target")
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 {
                    group.addTask { try await attempt("target", "wrong secret", users).status }
                }
                for try await status in group { #expect(status == 401 || status == 503, "\(status)") }
            }
            // Those that found no free thread counted nothing; one more at a time makes up for them.
            var answer = try await attempt("target", "wrong secret", users)
            for _ in 0..<20 where answer.status == 401 { answer = try await attempt("target", "wrong secret", users) }
            #expect(wait(answer) != nil)
        }
    }
}
