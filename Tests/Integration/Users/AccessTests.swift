// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// Profiles, identities and administration.
@Suite(.serialized) struct AccessTests {
    @Test func aProfileIsChangedInEveryDialect() async throws {
        try await UsersFixture.with { users in
            let user = try await users.register("u")
            let pair = try await users.logIn("u")
            func change(_ method: String, _ path: String, _ json: String) async throws -> String {
                try users.expect(200, await users.send(method, path, json, as: pair)).text
            }
            #expect(try await change("PATCH", "/users/profile", #"{"name":"Ada"}"#).contains(#""name":"Ada""#))
            #expect(try await change("PUT", "/users", #"{"metadata":{"desk":7}}"#).contains(#""desk":7"#))
            let tagged = try await change("PATCH", "/users/\(user.id)/tags", #"{"tags":["é"]}"#)
            #expect(tagged.contains(#""tags":["é"]"#) && tagged.contains(#""name":"Ada""#) && tagged.contains("desk"))
            // What a body may not set is not set by it.
            let greedy = #"{"name":"x","role":"admin","status":"disabled","id":"\#(UserID.new())","is_admin":true}"#
            let after = try await change("PATCH", "/users/profile", greedy)
            #expect(after.contains(user.id) && after.contains(#""role":"user""#) && after.contains("enabled"))
        }
    }

    @Test func namesThatDeceiveAreRefused() async throws {
        try await UsersFixture.with { users in
            try await users.register("u")
            let pair = try await users.logIn("u")
            for bad in ["a\u{202E}b", "a\u{2066}b", "a\\nb", "a\\u0007b", "a\u{2028}b"] {
                let answer = try await users.send("PATCH", "/users/profile", "{\"name\":\"\(bad)\"}", as: pair)
                #expect(answer.status == 400 && answer.problem?.reason == "invalid-name", "\(answer.text)")
                let tags = try await users.send("PATCH", "/users/profile", "{\"tags\":[\"\(bad)\"]}", as: pair)
                #expect(tags.problem?.reason == "invalid-tags", "\(tags.text)")
            }
            for good in ["e\u{301}", "\u{200F}שלום", "👩‍👩‍👧‍👦", "Ωμέγα", "\\ud83d\\ude00"] {
                try users.expect(
                    200, await users.send("PATCH", "/users/profile", "{\"name\":\"\(good)\"}", as: pair))
            }
            for broken in [#"\ud800"#, #"\udc00\ud800"#, #"\ud83dx"#] {
                let answer = try await users.send("PATCH", "/users/profile", "{\"name\":\"\(broken)\"}", as: pair)
                #expect(answer.status == 400, "\(broken): \(answer.text)")
            }
        }
    }

    @Test func anIdentityIsTheSameHoweverItWasTyped() async throws {
        try await UsersFixture.with { users in
            try await users.register("re\u{301}ne\u{301}@example.com")
            _ = try await users.logIn("r\u{E9}n\u{E9}@example.com")
            _ = try await users.logIn(" R\u{E9}NE\u{301}@example.com ")
            let again = try await users.client.post(
                "/users", json: ["email": "r\u{E9}n\u{E9}@example.com", "password": "long enough"])
            #expect(again.status == 409)
            let bidi = try await users.client.post("/users", json: ["email": "a\u{202E}@b", "password": "long enough"])
            #expect(bidi.problem?.reason == "invalid-identity")
        }
    }

    @Test func theOwnIdentityNeedsThePassword() async throws {
        try await UsersFixture.with { users in
            let user = try await users.register("old")
            let other = try await users.register("other")
            let pair = try await users.logIn("old")
            func change(_ id: String, _ json: String, as who: TokenPair, at member: String = "identity") async throws
                -> HTTPClient.Response
            {
                try await users.send("PATCH", "/users/\(id)/\(member)", json, as: who)
            }
            #expect(try await change(user.id, #"{"identity":"new"}"#, as: pair).problem?.reason == "missing-field")
            let wrong = try await change(user.id, #"{"identity":"new","secret":"not the one"}"#, as: pair)
            #expect(wrong.status == 403 && wrong.problem?.reason == "wrong-secret")
            let taken = try await change(user.id, #"{"identity":"OTHER","secret":"a long secret"}"#, as: pair)
            #expect(taken.status == 409)
            let foreign = try await change(other.id, #"{"identity":"new","secret":"a long secret"}"#, as: pair)
            #expect(foreign.status == 404)
            let bad = try await change(user.id, #"{"email":"no at","secret":"a long secret"}"#, as: pair, at: "email")
            #expect(bad.status == 400)
            try users.expect(200, await change(user.id, #"{"identity":"new","secret":"a long secret"}"#, as: pair))
            _ = try await users.logIn("new")
            let old = ["identity": "old", "secret": "a long secret"]
            #expect(try await users.client.post("/users/tokens/issue", json: old).status == 401)
            // An administrator does it without.
            let admin = try await users.admin()
            try users.expect(200, await change(user.id, #"{"username":"newer"}"#, as: admin, at: "username"))
            _ = try await users.logIn("newer")
        }
    }

    @Test func aPasswordIsChangedInMainfluxsDialect() async throws {
        try await UsersFixture.with { users in
            try await users.register("u")
            let (pair, other) = (try await users.logIn("u"), try await users.logIn("u"))
            let wrong = #"{"old_password":"not the one","password":"another secret"}"#
            #expect(try await users.send("PATCH", "/password", wrong, as: pair).status == 403)
            let right = #"{"old_password":"a long secret","password":"another secret"}"#
            try users.expect(201, await users.send("PATCH", "/password", right, as: pair))
            #expect(try await users.send("GET", "/users/profile", as: pair).status == 200)
            #expect(try await users.send("GET", "/users/profile", as: other).status == 401)
            _ = try await users.logIn("u", secret: "another secret")
        }
    }

    @Test func anAdministratorIsMadeAndOneAlwaysRemains() async throws {
        try await UsersFixture.with { users in
            let user = try await users.register("second")
            let admin = try await users.admin()
            let before = try await users.logIn("second")
            #expect(try await users.send("GET", "/users", as: before).status == 403)
            let promote = #"{"role":"admin"}"#
            #expect(try await users.send("PATCH", "/users/\(user.id)/role", promote, as: before).status == 403)
            try users.expect(200, await users.send("PATCH", "/users/\(user.id)/role", promote, as: admin))
            // The session from before says the old and has ended.
            #expect(try await users.send("GET", "/users/profile", as: before).status == 401)
            let second = try await users.logIn("second")
            struct Page: Decodable { var users: [EntityBody] }
            let page: Page = try users.expect(200, await users.send("GET", "/users/search?role=admin", as: second))
                .json()
            #expect(page.users.count == 2)
            let first = try #require(page.users.first { $0.id != user.id })
            #expect(try await users.send("PATCH", "/users/\(user.id)/role", promote, as: second).status == 422)

            // Each takes the other's right, at the same time.
            let demote = #"{"role":"user"}"#
            async let one = users.send("PATCH", "/users/\(user.id)/role", demote, as: admin).status
            async let two = users.send("PATCH", "/users/\(first.id)/role", demote, as: second).status
            let statuses = try await [one, two].sorted()
            #expect(statuses[0] == 200 && [401, 403, 422].contains(statuses[1]), "\(statuses)")
        }
    }
}
