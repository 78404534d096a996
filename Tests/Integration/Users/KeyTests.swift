// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import Foundation
import Identity
import TestKit
import Testing

/// Keys for programs: shown once, good for their scopes only, and for nothing once they were taken back.
@Suite(.serialized) struct KeyTests {
    struct Issued: Decodable {
        var id: String
        var value: String?
        var secret: String?
        var hint: String?

        var token: TokenPair {
            TokenPair(access_token: value ?? secret ?? "", refresh_token: "", access_type: "Bearer")
        }
    }

    private func key(_ users: UsersFixture, as who: TokenPair, _ json: String = #"{"type":2}"#) async throws -> Issued {
        try users.expect(201, await users.send("POST", "/keys", json, as: who)).json()
    }

    private func pat(_ users: UsersFixture, as who: TokenPair, _ members: String) async throws -> Issued {
        try users.expect(201, await users.send("POST", "/pats", #"{"name":"ci",\#(members)}"#, as: who)).json()
    }

    @Test func mainfluxsKeysAreShownOnceAndTakenBack() async throws {
        try await UsersFixture.with { users in
            let user = try await users.register("u")
            let pair = try await users.logIn("u")
            let issued = try await key(users, as: pair)
            let secret = issued.token.access_token
            #expect(secret.hasPrefix("martlet_key_") && secret.utf8.count == 55)
            for path in ["/keys", "/keys/\(issued.id)"] {
                let answer = try users.expect(200, await users.send("GET", path, as: pair))
                #expect(answer.text.contains(issued.id) && !answer.text.contains(secret.dropFirst(12)))
            }
            for type in [0, 1, 3] {
                let refused = try await users.send("POST", "/keys", #"{"type":\#(type)}"#, as: pair)
                #expect(refused.status == 422 && refused.problem?.reason == "unsupported-key-type")
            }
            // It says who one is, and decides nothing about who gets in.
            let profile: EntityBody = try users.expect(
                200, await users.send("GET", "/users/profile", as: issued.token)
            ).json()
            #expect(profile.id == user.id)
            for (method, path, body) in [
                ("POST", "/keys", "{}"), ("PATCH", "/users/secret", #"{"old_secret":"x","new_secret":"long enough"}"#),
                ("GET", "/pats", ""), ("POST", "/users/tokens/revoke", ""), ("PATCH", "/users/profile", "{}"),
            ] {
                let refused = try await users.send(method, path, body, as: issued.token)
                #expect(refused.status == 403 && refused.problem?.reason == "login-needed", "\(method) \(path)")
            }
            // Others neither see nor take it.
            try await users.register("other")
            let other = try await users.logIn("other")
            #expect(try await users.send("GET", "/keys/\(issued.id)", as: other).status == 404)
            #expect(try await users.send("DELETE", "/keys/\(issued.id)", as: other).status == 404)
            #expect(try await users.send("GET", "/pats/\(issued.id)", as: pair).status == 404)

            try await users.withVerifier { verifier in
                let principal = try await verifier.verify(secret)
                #expect(principal.user.description == user.id && principal.role == .admin)
                #expect(principal.credential == .key && !principal.isPlatformAdmin)
                let begin = ContinuousClock.now
                try users.expect(204, await users.send("DELETE", "/keys/\(issued.id)", as: pair))
                #expect(try await users.send("GET", "/users/profile", as: issued.token).status == 401)
                try await eventually("the key is refused elsewhere", interval: .milliseconds(2)) {
                    await refusal(secret, by: verifier) == "invalid-key"
                }
                print(
                    "a key's revocation took \(ContinuousClock.now - begin) from the request to the refusal elsewhere")
            }
        }
    }

    @Test func aKeyOfAnAdministratorDoesNotAdministrateTheInstallation() async throws {
        try await UsersFixture.with { users in
            let admin = try await users.admin()
            let issued = try await key(users, as: admin)
            #expect(try await users.send("GET", "/users", as: issued.token).status == 403)
            let other = try await users.register("other")
            let domain = try #require(other.default_domain)
            #expect(try await users.send("GET", "/domains/\(domain)", as: admin).status == 200)
            #expect(try await users.send("GET", "/domains/\(domain)", as: issued.token).status == 404)
        }
    }

    @Test func whatIsNoKeyIsRefused() async throws {
        try await UsersFixture.with { users in
            try await users.withVerifier { (verifier: BusTokenVerifier) async throws in
                for text in [
                    "martlet_", "martlet_pat_", "martlet_pat_x", "martlet_other_" + SecretKey.generate(),
                    KeyToken.personal.generate(), KeyToken.key.generate() + "x",
                ] {
                    #expect(await refusal(text, by: verifier) == "invalid-key", "\(text)")
                    let token = TokenPair(access_token: text, refresh_token: "", access_type: "")
                    #expect(try await users.send("GET", "/users/profile", as: token).problem?.reason == "invalid-key")
                }
            }
        }
    }

    @Test func aTokenDoesWhatItsScopesSay() async throws {
        try await UsersFixture.with { users in
            try await users.register("u")
            let pair = try await users.logIn("u")
            let bad = [
                #"{"name":"x","scopes":[{"action":"things:fly"}]}"#: "unknown-action",
                #"{"name":"x","scopes":[{"action":"things:read","entity_ids":["x"]}]}"#: "invalid-scope",
                #"{"name":"x","duration":"-1h"}"#: "invalid-value",
                #"{"name":"x","duration":"99999999h"}"#: "invalid-duration",
                #"{"name":"x","duration":5}"#: "invalid-duration", #"{"scopes":[]}"#: "missing-field",
                #"{"name":"x","duration":"99999999999999999999h"}"#: "invalid-value",
            ]
            for (body, reason) in bad {
                let refused = try await users.send("POST", "/pats", body, as: pair)
                #expect(refused.problem?.reason == reason, "\(body): \(refused.text)")
            }
            let id = ThingID.new()
            let issued = try await pat(
                users, as: pair,
                #""duration":"720h","scopes":[{"action":"things:read"},{"action":"channels:write","entity_ids":["\#(id)"]}]"#
            )
            #expect(issued.hint.map { issued.token.access_token.hasSuffix($0) } == true)
            try await users.withVerifier { verifier in
                let principal = try await verifier.verify(issued.token.access_token)
                #expect(principal.role == .none, "what only knows roles lets it do nothing")
                #expect(principal.allows(.thingsRead) && principal.allows(.thingsRead, on: "x"))
                #expect(!principal.allows(.thingsWrite) && !principal.allows(.channelsWrite))
                #expect(principal.allows(.channelsWrite, on: id.description))
                #expect(!principal.allows(.channelsWrite, on: ThingID.new().description))

                // The scopes change, and with them at once what the token does everywhere.
                let path = "/pats/\(issued.id)/scope"
                let all = #"{"scopes":[{"action":"channels:write"}]}"#
                try users.expect(200, await users.send("PATCH", path + "/add", all, as: pair))
                try await eventually("more is granted") {
                    (try? await verifier.verify(issued.token.access_token))?.allows(.channelsWrite) == true
                }
                let one = #"{"scopes":[{"action":"channels:write","entity_ids":["\#(id)"]}]}"#
                #expect(try await users.send("PATCH", path + "/remove", one, as: pair).status == 422)
                try users.expect(200, await users.send("PATCH", path + "/remove", all, as: pair))
                try await eventually("less is granted") {
                    (try? await verifier.verify(issued.token.access_token))?.allows(.channelsWrite) == false
                }
                let left = try users.expect(200, await users.send("GET", path, as: pair)).text
                #expect(left == #"{"scopes":[{"action":"things:read"}]}"#)

                // A new secret ends the old one; a revoked token is good for nothing until it has one.
                let reset: Issued = try users.expect(
                    200, await users.send("PATCH", "/pats/\(issued.id)/secret/reset", as: pair)
                ).json()
                try await eventually("the old secret is refused") {
                    await refusal(issued.token.access_token, by: verifier) == "invalid-key"
                }
                #expect(await refusal(reset.token.access_token, by: verifier) == nil)
                try users.expect(200, await users.send("PATCH", "/pats/\(issued.id)/secret/revoke", as: pair))
                try await eventually("the revoked token is refused") {
                    await refusal(reset.token.access_token, by: verifier) == "invalid-key"
                }
            }
            let renamed = #"{"name":"deploy"}"#
            let answer = try users.expect(200, await users.send("PATCH", "/pats/\(issued.id)/name", renamed, as: pair))
            #expect(answer.text.contains(#""name":"deploy""#) && answer.text.contains(#""revoked":true"#))
            let described = #"{"description":"for the pipeline"}"#
            try users.expect(200, await users.send("PATCH", "/pats/\(issued.id)/description", described, as: pair))
            try users.expect(204, await users.send("DELETE", "/pats", as: pair))
            #expect(try await users.send("GET", "/pats/\(issued.id)", as: pair).status == 404)
        }
    }

    @Test func aKeyEndsWithItsTimeItsUserAndItsDomain() async throws {
        try await UsersFixture.with { users in
            let admin = try await users.admin()
            let owner = try await users.register("owner")
            let guest = try await users.register("guest")
            let domain = try #require(owner.default_domain)
            func assign(_ verb: String, _ role: String = "editor") async throws {
                let body = #"{"user_ids":["\#(guest.id)"],"role":"\#(role)"}"#
                let answer = try await users.send("POST", "/domains/\(domain)/users/\(verb)", body, as: admin)
                #expect((200..<300).contains(answer.status), "\(answer.text)")
            }
            try await assign("assign")
            let inside = try await users.logIn("guest", domain: domain)
            let forever = try await key(users, as: inside).token
            let writer = try await pat(users, as: inside, #""scopes":[{"action":"things:write"}]"#).token
            let hour = try await pat(users, as: inside, #""duration":"1h","scopes":[{"action":"things:read"}]"#).token
            func status(_ token: TokenPair) async throws -> Int {
                try await users.send("GET", "/users/profile", as: token).status
            }
            try await users.withVerifier { verifier in
                func isGood(_ token: TokenPair) async -> Bool {
                    await refusal(token.access_token, by: verifier) == nil
                }
                #expect(try await verifier.verify(writer.access_token).allows(.thingsWrite))
                #expect(try await verifier.verify(forever.access_token).role == .editor)
                // Less for the user is less for the keys.
                try await assign("assign", "viewer")
                try await eventually("the keys do less") {
                    let key = try await verifier.verify(forever.access_token)
                    let token = try await verifier.verify(writer.access_token)
                    return key.role == .viewer && !token.allows(.thingsWrite)
                }
                for (verb, back) in [("disable", "enable")] {
                    try users.expect(200, await users.send("POST", "/domains/\(domain)/\(verb)", as: admin))
                    try await eventually("the domain is off") { await !isGood(forever) }
                    #expect(try await status(forever) == 401)
                    try users.expect(200, await users.send("POST", "/domains/\(domain)/\(back)", as: admin))
                    try await eventually("the domain is on") { await isGood(forever) }
                    try users.expect(200, await users.send("POST", "/users/\(guest.id)/\(verb)", as: admin))
                    try await eventually("the user is off") { await !isGood(forever) }
                    try users.expect(200, await users.send("POST", "/users/\(guest.id)/\(back)", as: admin))
                    try await eventually("the user is on") { await isGood(forever) }
                }
                try await assign("unassign")
                try await eventually("no member, no key") { await !isGood(forever) }
                try await assign("assign")
                try await eventually("a member again") { await isGood(forever) }
                // Events come in order: once a later one is known, nothing before it empties the verifier's memory any more.
                let marker = try await users.logIn("owner")
                #expect(await isGood(marker))
                let ended = try await users.send("POST", "/users/tokens/revoke", as: marker)
                #expect((200..<300).contains(ended.status), "\(ended.text)")
                try await eventually("the events before are known") { await !isGood(marker) }
                #expect(await isGood(forever))
                // While the bus is away what is known goes on working.
                await users.bus.kill()
                #expect(await isGood(forever))
            }
            #expect(try await status(hour) == 200)
            users.clock.advance(seconds: 3_601)
            #expect(try await status(hour) == 401)
            #expect(try await status(forever) == 200)
        }
    }

    @Test func aChangedPasswordEndsKeysOnlyWhenThatIsAskedFor() async throws {
        try await UsersFixture.with { users in
            try await users.register("u")
            try await users.register("other")
            let (pair, other) = (try await users.logIn("u"), try await users.logIn("other"))
            let keys = [try await key(users, as: pair), try await pat(users, as: pair, #""duration":"1h""#)]
            let foreign = try await key(users, as: other)
            func statuses() async throws -> [Int] {
                var all: [Int] = []
                for issued in keys + [foreign] {
                    all.append(try await users.send("GET", "/users/profile", as: issued.token).status)
                }
                return all
            }
            let keep = #"{"old_secret":"a long secret","new_secret":"a second secret"}"#
            try users.expect(200, await users.send("PATCH", "/users/secret", keep, as: pair))
            #expect(try await statuses() == [200, 200, 200])
            // A wrong password ends nothing.
            let wrong = #"{"old_secret":"a long secret","new_secret":"a third secret","revoke_keys":true}"#
            try users.expect(403, await users.send("PATCH", "/users/secret", wrong, as: pair))
            #expect(try await statuses() == [200, 200, 200])
            let revoke = #"{"old_password":"a second secret","password":"a third secret","revoke_keys":true}"#
            try users.expect(201, await users.send("PATCH", "/password", revoke, as: pair))
            #expect(try await statuses() == [401, 401, 200])
            // The session in which it was done goes on; each key's end is announced.
            try users.expect(200, await users.send("GET", "/users/profile", as: pair))
            try await eventually("both ends are announced") {
                let events = try await users.announced("events.users.key.revoked")
                return keys.allSatisfy { key in events.contains { $0.contains(key.id) } }
            }
        }
    }

    /// A key that expires while another service remembers it.
    @Test func timeEndsARememberedKey() async throws {
        try await UsersFixture.with { users in
            try await users.register("u")
            let pair = try await users.logIn("u")
            let issued = try await pat(users, as: pair, #""duration":"3s""#)
            try await users.withVerifier { verifier in
                #expect(await refusal(issued.token.access_token, by: verifier) == nil)
                try await eventually("its time is over") {
                    await refusal(issued.token.access_token, by: verifier) == "invalid-key"
                }
            }
        }
    }

    @Test func aUserHasABoundedNumberOfKeys() async throws {
        try await UsersFixture.with { users in
            try await users.register("u")
            let pair = try await users.logIn("u")
            var statuses: [Int] = []
            try await withThrowingTaskGroup(of: [Int].self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        var statuses: [Int] = []
                        for _ in 0..<21 {
                            statuses.append(try await users.send("POST", "/pats", #"{"name":"x"}"#, as: pair).status)
                        }
                        return statuses
                    }
                }
                for try await some in group { statuses += some }
            }
            #expect(statuses.filter { $0 == 201 }.count == 200 && statuses.filter { $0 == 422 }.count == 10)
        }
    }

    /// The real `things`, which knows nothing of keys: its kit does.
    @Test func scopesHoldInAServiceElsewhere() async throws {
        try await UsersFixture.with { users in
            try await users.withThings { things, ready in
                try await users.register("u")
                let pair = try await users.logIn("u")
                try await ready(pair)
                func send(_ method: String, _ path: String, _ json: String = "", as who: TokenPair) async throws -> Int
                {
                    try await things.send(method, path, headers: who.bearerJSON, body: Array(json.utf8)).status
                }
                func create() async throws -> String {
                    let answer = try await things.send(
                        "POST", "/things", headers: pair.bearerJSON, body: Array(#"{"name":"t"}"#.utf8))
                    return try users.expect(201, answer).json(Issued.self).id
                }
                let (one, two) = (try await create(), try await create())
                let all = try await key(users, as: pair).token
                #expect(try await send("POST", "/things", #"{"name":"t"}"#, as: all) == 201)
                let reader = try await pat(users, as: pair, #""scopes":[{"action":"things:read"}]"#).token
                #expect(try await send("GET", "/things", as: reader) == 200)
                #expect(try await send("GET", "/things/\(one)", as: reader) == 200)
                #expect(try await send("POST", "/things", #"{"name":"t"}"#, as: reader) == 403)
                #expect(try await send("DELETE", "/things/\(one)", as: reader) == 403)
                #expect(try await send("GET", "/channels", as: reader) == 403)
                let narrow = try await pat(
                    users, as: pair,
                    #""scopes":[{"action":"things:write","entity_ids":["\#(one)"]},{"action":"things:read","entity_ids":["\#(one)"]}]"#
                ).token
                #expect(try await send("PATCH", "/things/\(one)", #"{"name":"n"}"#, as: narrow) == 200)
                #expect(try await send("PATCH", "/things/\(two)", #"{"name":"n"}"#, as: narrow) == 403)
                #expect(try await send("GET", "/things/\(two)", as: narrow) == 403)
                #expect(try await send("GET", "/things", as: narrow) == 403)
                #expect(try await send("POST", "/things", #"{"name":"t"}"#, as: narrow) == 403)
                let nothing = try await pat(users, as: pair, #""scopes":[]"#).token
                #expect(try await send("GET", "/things", as: nothing) == 403)
            }
        }
    }
}
