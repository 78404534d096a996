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

    private func attempt(_ secret: String, from address: String, _ users: UsersFixture) async throws
        -> HTTPClient.Response
    {
        try await users.client.post(
            "/users/tokens/issue", json: ["identity": "target", "secret": secret], headers: ["X-Forwarded-For": address]
        )
    }

    @Test func nobodyKeepsOutWhoHasLoggedInFromThere() async throws {
        try await UsersFixture.with(Self.settings) { users in
            try await users.register("target")
            let home = ["192.0.2.7", "2001:db8:1:2:3:4:5:6"]
            for address in home { try users.expect(201, await attempt("a long secret", from: address, users)) }
            // From one block, also that of the own address: it is closed, each of its addresses.
            for host in [8, 9, 10] { #expect(try await attempt("guess", from: "192.0.2.\(host)", users).status == 401) }
            #expect(wait(try await attempt("a long secret", from: "192.0.2.11", users)) != nil)
            // From everywhere: those that nobody has logged in from wait for each other, a minute at most.
            for block in 1...12 {
                #expect(try await attempt("guess", from: "198.51.\(block).1", users).status == 401)
            }
            let pause = try #require(wait(try await attempt("a long secret", from: "203.0.113.1", users)))
            #expect((1...61).contains(pause))
            // An hour of guessing changes nothing for the familiar ones.
            for round in 1...20 {
                users.clock.advance(seconds: 61)
                #expect(try await attempt("guess", from: "198.52.\(round).1", users).status == 401)
                let longest = try #require(wait(try await attempt("guess", from: "198.53.\(round).1", users)))
                #expect(longest <= 61)
            }
            for address in home + ["::ffff:192.0.2.7", "2001:db8:1:2::1"] {
                try users.expect(201, await attempt("a long secret", from: address, users))
            }
            // It opens nothing for the others.
            #expect(wait(try await attempt("a long secret", from: "203.0.113.1", users)) != nil)
            // A familiar place has no more guesses than another one, and closes for itself.
            for _ in 0..<3 { #expect(try await attempt("guess", from: "192.0.2.7", users).status == 401) }
            #expect(wait(try await attempt("a long secret", from: "192.0.2.7", users)) != nil)
            try users.expect(201, await attempt("a long secret", from: home[1], users))
        }
    }

    @Test func aPlaceIsForgottenWhenItsTimeIsOverOrThereAreTooMany() async throws {
        try await UsersFixture.with(Self.settings) { users in
            try await users.register("target")
            // The seventeenth takes the first one's place.
            for host in 1...17 {
                try users.expect(201, await attempt("a long secret", from: "192.0.\(host).1", users))
                users.clock.advance(seconds: 1)
            }
            func slow() async throws {
                for block in 1...15 { _ = try await attempt("guess", from: "198.51.\(block).1", users) }
            }
            try await slow()
            #expect(wait(try await attempt("a long secret", from: "192.0.1.1", users)) != nil)
            try users.expect(201, await attempt("a long secret", from: "192.0.2.1", users))
            users.clock.advance(seconds: 91 * 86_400)
            try await slow()
            #expect(wait(try await attempt("a long secret", from: "192.0.2.1", users)) != nil)
        }
    }

    /// The places go with the identity's owner, not with the name.
    @Test func anotherIdentityKeepsItsPlaces() async throws {
        try await UsersFixture.with(Self.settings) { users in
            let user = try await users.register("before")
            let pair = try await users.logIn("before")
            let change = #"{"identity":"target","secret":"a long secret"}"#
            try users.expect(200, await users.send("PATCH", "/users/\(user.id)/identity", change, as: pair))
            for block in 1...15 { _ = try await attempt("guess", from: "198.51.\(block).1", users) }
            #expect(wait(try await attempt("a long secret", from: "203.0.113.1", users)) != nil)
            _ = try await users.logIn("target")
        }
    }
}
