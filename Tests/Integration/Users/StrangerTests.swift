// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import Foundation
import Identity
import TestKit
import Testing

/// A stranger's day: everything that somebody without a right tries. Never another's data, never a 500.
@Suite(.serialized) struct StrangerTests {
    private struct Entity: Decodable { var id: String }

    private func refusal(_ users: UsersFixture, _ token: String, path: String = "/users/profile") async throws -> String
    {
        let pair = TokenPair(access_token: token, refresh_token: "", access_type: "")
        let answer = try await users.send("GET", path, as: pair)
        #expect(answer.status == 401, "\(token.prefix(40)): \(answer.text)")
        return answer.problem?.reason ?? ""
    }

    /// The token with its header or its claims changed, its signature as it was.
    private func altered(
        _ token: String, header: [String: any Sendable] = [:], claims: [String: any Sendable] = [:],
        signature: String? = nil
    ) throws -> String {
        let parts = token.split(separator: ".").map(String.init)
        func merged(_ part: String, _ changes: [String: any Sendable]) throws -> String {
            let data = try #require(Base64URL.decode(part))
            var object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            for (name, value) in changes { object[name] = value }
            return Base64URL.encode(try JSONSerialization.data(withJSONObject: object))
        }
        return try "\(merged(parts[0], header)).\(merged(parts[1], claims)).\(signature ?? parts[2])"
    }

    @Test func noTokenCanBeForged() async throws {
        try await UsersFixture.with { users in
            let victim = try await users.register("victim")
            try await users.register("stranger")
            let pair = try await users.logIn("stranger")
            let good = pair.access_token
            // Somebody else's key; its identifier may be made to look like ours.
            let issuer = try await AccessTokenIssuer(key: SigningKey(), lifetimeSeconds: 900)
            let principal = Principal(
                user: try #require(UserID(victim.id)), session: SessionID.new(), domain: nil, role: .admin,
                isPlatformAdmin: true)
            let foreign = try await issuer.issue(principal, now: WallClock.system.now()).token
            struct Header: Decodable { var kid: String }
            let header = try #require(Base64URL.decode(good.split(separator: ".")[0]))
            let kid = try JSONDecoder().decode(Header.self, from: header).kid
            let forged = [
                foreign, try altered(foreign, header: ["kid": kid]),
                try altered(good, header: ["alg": "none"], signature: ""), try altered(good, header: ["alg": "HS256"]),
                try altered(good, header: ["alg": "none"]), try altered(good, header: ["typ": "JWT"]),
                try altered(good, header: ["crit": ["exp"]]), try altered(good, claims: ["adm": true]),
                try altered(good, claims: ["sub": victim.id]), try altered(good, claims: ["role": "admin", "x": 1]),
                try altered(good, claims: ["dom": try #require(victim.default_domain)]),
                try altered(good, claims: ["exp": Int64.max]), try altered(good, claims: ["aud": "other"]),
                try altered(good, claims: ["act": ["domain:manage"]]), good + "x", String(good.dropLast()), "..",
                "a.b.c",
                pair.refresh_token, "", String(repeating: "a", count: 4_096), "null", "Bearer " + good,
            ]
            for token in forged {
                let reason = try await refusal(users, token)
                #expect(["invalid-token", "wrong-scheme"].contains(reason), "\(token.prefix(60)): \(reason)")
            }
            // An access token refreshes nothing; a refresh token is good once.
            #expect(try await users.refresh(good).status == 401)
            // Expired.
            users.clock.advance(seconds: 906)
            #expect(try await refusal(users, good) == "token-expired")
            let next: TokenPair = try users.expect(201, await users.refresh(pair.refresh_token)).json()
            #expect(try await users.refresh(pair.refresh_token).problem?.reason == "refresh-token-reused")
            #expect(try await refusal(users, next.access_token) == "token-revoked")
            #expect(try await users.refresh(next.refresh_token).status == 401)
        }
    }

    /// A token acts in its domain: with one of another domain nothing is found, whatever is guessed.
    @Test func guessedIdentifiersLeadNowhere() async throws {
        try await UsersFixture.with { users in
            let victim = try await users.register("victim")
            try await users.register("stranger")
            let (owner, stranger) = (try await users.logIn("victim"), try await users.logIn("stranger"))
            let domain = try #require(victim.default_domain)
            func make(_ path: String, _ json: String) async throws -> String {
                let answer = try await users.send("POST", path, json, as: owner)
                return try users.expect(201, answer).json(Entity.self).id
            }
            let role = try await make("/domains/\(domain)/roles", #"{"name":"secret role","actions":["things:read"]}"#)
            let group = try await make("/domains/\(domain)/groups", #"{"name":"secret group"}"#)
            let key = try await make("/keys", #"{"type":2,"name":"secret key"}"#)
            let pat = try await make("/pats", #"{"name":"secret pat"}"#)
            let own = try #require(
                try await users.send("GET", "/users/profile", as: stranger).json(EntityBody.self).default_domain)
            for path in [
                "/domains/\(domain)", "/domains/\(domain)/users", "/domains/\(domain)/roles/\(role)",
                "/domains/\(domain)/groups/\(group)", "/domains/\(own)/roles/\(role)",
                "/domains/\(own)/groups/\(group)",
                "/domains/\(own)/roles/\(role)/members", "/domains/\(own)/groups/\(group)/users", "/keys/\(key)",
                "/pats/\(pat)", "/pats/\(pat)/scope", "/users/\(victim.id)",
            ] {
                let answer = try await users.send("GET", path, as: stranger)
                #expect(answer.status == 404, "\(path): \(answer.text)")
                #expect(!answer.text.contains("secret ") && !answer.text.contains("victim"), "\(path): \(answer.text)")
            }
            // Nor is anything of the other's given away, or taken in, by the own domain.
            let members = #"{"user_ids":["\#(victim.id)"]}"#
            #expect(
                try await users.send("POST", "/domains/\(own)/roles/\(role)/members", members, as: stranger).status
                    == 404)
            let link = #"{"role_ids":["\#(role)"]}"#
            let made = try await users.send("POST", "/domains/\(own)/groups", #"{"name":"g"}"#, as: stranger)
            let mine = try users.expect(201, made).json(Entity.self).id
            #expect(
                try await users.send("PUT", "/domains/\(own)/groups/\(mine)/roles", link, as: stranger).status == 404)
            let wrong = #"{"identity":"stranger","secret":"a long secret","domain_id":"\#(domain)"}"#
            #expect(try await users.send("POST", "/users/tokens/issue", wrong).status == 403)
            let there = #"{"name":"x","domain_id":"\#(domain)"}"#
            #expect(try await users.send("POST", "/pats", there, as: stranger).status == 404)
            for secret in ["a long secret", "x"] {
                let body = #"{"secret":"\#(secret)"}"#
                let removal = try await users.send("DELETE", "/users/\(victim.id)", body, as: stranger)
                #expect(removal.status == 404 && removal.problem?.reason == "unknown-user", "\(removal.text)")
            }
            try users.expect(200, await users.send("GET", "/users/profile", as: owner))
            for path in ["/domains", "/keys", "/pats", "/invitations"] {
                let list = try users.expect(200, await users.send("GET", path + "?limit=100", as: stranger)).text
                #expect(!list.contains("victim") && !list.contains("secret "), "\(path): \(list)")
            }
        }
    }

    @Test func aBodySetsOnlyWhatItMay() async throws {
        try await UsersFixture.with { users in
            let id = UserID.new()
            let body =
                #"{"id":"\#(id)","email":"a@b","password":"long enough","role":"admin","is_admin":true,"status":"disabled","#
                + #""default_domain":"\#(id)","created_at":"1970-01-01T00:00:00Z"}"#
            let created = try users.expect(201, await users.send("POST", "/users", body))
            let user = try created.json(EntityBody.self)
            #expect(user.id != id.description && user.status == "enabled" && user.default_domain != id.description)
            #expect(created.text.contains(#""role":"user""#) && !created.text.contains("1970"))
            let pair = try await users.logIn("a@b", secret: "long enough")
            #expect(try await users.send("GET", "/users", as: pair).status == 403)

            let domain = try #require(user.default_domain)
            let greedy =
                #"{"name":"n","id":"\#(id)","status":"frozen","created_by":"\#(id)","rights_version":9,"domain":"\#(id)"}"#
            let changed = try users.expect(200, await users.send("PATCH", "/domains/\(domain)", greedy, as: pair))
            #expect(
                changed.text.contains(domain) && changed.text.contains("enabled")
                    && !changed.text.contains(id.description))
            let key =
                #"{"name":"n","user_id":"\#(id)","id":"\#(id)","secret":"martlet_pat_x","revoked":true,"scopes":[],"kind":"martlet_key_"}"#
            let token = try users.expect(201, await users.send("POST", "/pats", key, as: pair))
            #expect(!token.text.contains(id.description) && token.text.contains(#""revoked":false"#))
        }
    }

    @Test func whatIsTooLargeTooDeepOrNoTextIsRefused() async throws {
        try await UsersFixture.with { users in
            try await users.register("u")
            let pair = try await users.logIn("u")
            func patch(_ json: String) async throws -> HTTPClient.Response {
                try await users.send("PATCH", "/users/profile", json, as: pair)
            }
            let deep = String(repeating: #"{"a":"#, count: 100) + "1" + String(repeating: "}", count: 100)
            #expect(try await patch(#"{"metadata":\#(deep)}"#).problem?.reason == "json-too-deep")
            let wide = (0..<20_000).map { #""k\#($0)":1"# }.joined(separator: ",")
            #expect(try await patch("{\"metadata\":{\(wide)}}").problem?.reason == "metadata-too-large")
            let tags = (0..<65).map { "\"\($0)\"" }.joined(separator: ",")
            #expect(try await patch("{\"tags\":[\(tags)]}").problem?.reason == "invalid-tags")
            let name = String(repeating: "é", count: 513)
            #expect(try await patch(#"{"name":"\#(name)"}"#).problem?.reason == "name-too-long")
            #expect(try await patch(#"{"name":"a\u0000b"}"#).problem?.reason == "nul-character")
            for json in [
                #"{"name":"\ud800"}"#, #"{"metadata":{"a":"\udfff"}}"#, #"{"metadata":{"\ud800":1}}"#,
                "{\"name\":\"\u{FFFF}\"}",
                #"{"name":1e400}"#, #"{"metadata":{"n":1e400}}"#, #"{"name":"x","name":"y"}"#,
                #"{"metadata":{"n":-0}}"#,
            ] {
                let answer = try await patch(json)
                #expect([200, 400].contains(answer.status), "\(json): \(answer.status) \(answer.text)")
            }
            // Bytes that are no UTF-8.
            let broken = Array(#"{"name":""#.utf8) + [0xC3, 0x28, 0xFF] + Array(#""}"#.utf8)
            let answer = try await users.client.send("PATCH", "/users/profile", headers: pair.bearerJSON, body: broken)
            #expect(answer.status == 400, "\(answer.text)")
            let large = "{\"name\":\"\(String(repeating: "x", count: 1 << 20))\"}"
            if let answer = try? await patch(large) { #expect(answer.status == 413) }
            try users.expect(200, await users.send("GET", "/users/profile", as: pair))
        }
    }

    @Test func manyWhoChangeTheSameAreAnsweredAll() async throws {
        try await UsersFixture.with { users in
            let user = try await users.register("u")
            try await users.register("v")
            let (pair, other) = (try await users.logIn("u"), try await users.logIn("v"))
            let domain = try #require(user.default_domain)
            let platform = try await users.admin()
            var statuses: [Int] = []
            try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<15 {
                    let requests: [(String, String, String, TokenPair)] = [
                        ("PATCH", "/users/profile", #"{"name":"n\#(index)","metadata":{"i":\#(index)}}"#, pair),
                        ("PATCH", "/users/\(user.id)/tags", #"{"tags":["\#(index)"]}"#, platform),
                        ("PATCH", "/domains/\(domain)", #"{"route":"r\#(index % 3)"}"#, pair),
                        ("POST", "/domains", #"{"name":"x","route":"r\#(index % 3)"}"#, other),
                        ("PATCH", "/users/\(user.id)/identity", #"{"identity":"w"}"#, platform),
                        ("POST", "/users", #"{"email":"same@b","password":"long enough"}"#, platform),
                        ("POST", "/domains/\(domain)/roles", #"{"name":"same"}"#, pair),
                        ("POST", "/domains/\(domain)/groups", #"{"name":"same"}"#, pair),
                    ]
                    for (method, path, json, who) in requests {
                        group.addTask { try await users.send(method, path, json, as: who).status }
                    }
                }
                for try await status in group { statuses.append(status) }
            }
            // 503 is a busy pool of hashing threads or connections: worth a retry, and said so.
            #expect(statuses.allSatisfy { [200, 201, 409, 503].contains($0) }, "\(statuses)")
            #expect(statuses.filter { $0 == 200 }.count >= 45)
            let list = try await users.send("GET", "/domains/\(domain)/roles", as: pair).text
            #expect(list.contains(#""total":1"#))
        }
    }
}
