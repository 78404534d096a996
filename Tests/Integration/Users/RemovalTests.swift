// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import Foundation
import Identity
import Messaging
import Postgres
import TestKit
import Testing

/// Who is removed is gone at once and everywhere, and nobody is left behind without an administrator.
@Suite(.serialized) struct RemovalTests {
    private struct Entity: Decodable { var id: String }

    private func made(_ users: UsersFixture, _ path: String, _ json: String, as who: TokenPair) async throws -> String {
        try users.expect(201, await users.send("POST", path, json, as: who)).json(Entity.self).id
    }

    private func assign(
        _ user: String, _ role: String, in domain: String, _ users: UsersFixture, as who: TokenPair
    ) async throws {
        let body = #"{"user_ids":["\#(user)"],"role":"\#(role)"}"#
        try users.expect(201, await users.send("POST", "/domains/\(domain)/users/assign", body, as: who))
    }

    private func events(_ users: UsersFixture, _ what: String, of user: String) async throws -> [EntityEvent] {
        try await users.announced("events.users.\(what)").map {
            try JSONDecoder().decode(EntityEvent.self, from: Data($0.utf8))
        }.filter { $0.user?.description == user }
    }

    @Test func aPersonRemovesThemselfWithTheirPassword() async throws {
        try await UsersFixture.with { users in
            let user = try await users.register("u")
            let pair = try await users.logIn("u")
            let pat: KeyTests.Issued = try users.expect(
                201, await users.send("POST", "/pats", #"{"name":"p"}"#, as: pair)
            ).json()
            for (body, status, reason) in [
                ("", 400, "missing-field"), ("{}", 400, "missing-field"),
                (#"{"secret":"not it at all"}"#, 403, "wrong-secret"),
            ] {
                let answer = try await users.send("DELETE", "/users/\(user.id)", body, as: pair)
                #expect(answer.status == status && answer.problem?.reason == reason, "\(body): \(answer.text)")
            }
            let body = #"{"secret":"a long secret"}"#
            #expect(try await users.send("DELETE", "/users/\(user.id)", body, as: pat.token).status == 403, "a key")
            try users.expect(204, await users.send("DELETE", "/users/\(user.id)", body, as: pair))
            // At once: token, key, refresh token, password.
            for who in [pair, pat.token] {
                #expect(try await users.send("GET", "/users/profile", as: who).status == 401)
            }
            #expect(try await users.refresh(pair.refresh_token).status == 401)
            let login = try await users.client.post(
                "/users/tokens/issue", json: ["identity": "u", "secret": "a long secret"])
            #expect(login.status == 401 && login.problem?.reason == "wrong-credentials")
            #expect(try await users.send("DELETE", "/users/\(user.id)", as: try await users.admin()).status == 404)

            // The identity is free: whoever has it next is somebody else, with nothing of the first one's.
            let next = try await users.register("u")
            #expect(next.id != user.id && next.default_domain != user.default_domain)
            let own = try await users.logIn("u")
            #expect(try await users.send("GET", "/domains", as: own).text.contains(#""total":1"#))
            #expect(try await users.send("GET", "/pats", as: own).text.contains(#""total":0"#))
        }
    }

    @Test func everythingGoesAndIsAnnounced() async throws {
        try await UsersFixture.with { users in
            try await users.register("owner")
            let (owner, admin) = (try await users.logIn("owner"), try await users.admin())
            let domain = try await made(users, "/domains", #"{"name":"plant"}"#, as: owner)
            let group = try await made(users, "/domains/\(domain)/groups", #"{"name":"g"}"#, as: owner)
            let role = try await made(
                users, "/domains/\(domain)/roles", #"{"name":"r","actions":["things:read"]}"#, as: owner)
            let user = try await users.register("u")
            let personal = try #require(user.default_domain)
            try await assign(user.id, "admin", in: domain, users, as: owner)
            try await assign(user.id, role, in: domain, users, as: owner)
            let members = #"{"user_ids":["\#(user.id)"]}"#
            try users.expect(
                204, await users.send("POST", "/domains/\(domain)/groups/\(group)/users/assign", members, as: owner))
            // Invitations to the user, in both ways, and by the user.
            let second = try await made(users, "/domains", #"{"name":"second"}"#, as: owner)
            let third = try await made(users, "/domains", #"{"name":"third"}"#, as: owner)
            let byIdentifier = #"{"invitee_user_id":"\#(user.id)","role":"viewer"}"#
            let byIdentity = #"{"identity":"u","role":"viewer"}"#
            _ = try await made(users, "/domains/\(second)/invitations", byIdentifier, as: owner)
            let kept = try await made(users, "/domains/\(third)/invitations", byIdentity, as: owner)
            let pair = try await users.logIn("u", domain: domain)
            let guest = try await users.register("guest").id
            let toGuest = #"{"invitee_user_id":"\#(guest)","role":"viewer"}"#
            _ = try await made(users, "/domains/\(domain)/invitations", toGuest, as: pair)
            let pat: KeyTests.Issued = try users.expect(
                201, await users.send("POST", "/pats", #"{"name":"p"}"#, as: pair)
            ).json()

            try await users.withVerifier { verifier in
                _ = try await verifier.verify(pat.token.access_token)
                _ = try await verifier.verify(pair.access_token)
                try users.expect(204, await users.send("DELETE", "/users/\(user.id)", as: admin))
                try await eventually("other services hear of it") {
                    let reasons = [
                        await refusal(pair.access_token, by: verifier),
                        await refusal(pat.token.access_token, by: verifier),
                    ]
                    return reasons == ["token-revoked", "invalid-key"]
                }
            }
            // A service that comes later, when the user's sessions are not there any more, refuses as well.
            try await users.withVerifier { verifier in
                #expect(await refusal(pair.access_token, by: verifier) == "token-revoked")
                #expect(await refusal(pat.token.access_token, by: verifier) == "invalid-key")
            }

            try await eventually("the removal is announced") {
                try await events(users, "user.removed", of: user.id).count == 1
            }
            let left = try await events(users, "membership.removed", of: user.id).compactMap(\.domain?.description)
            #expect(Set(left) == [domain, personal] && left.count == 2)
            #expect(try await events(users, "key.revoked", of: user.id).count == 1)
            #expect(try await events(users, "session.revoked", of: user.id).count == 1)
            #expect(try await events(users, "invitation.removed", of: user.id).count == 1)
            #expect(try await events(users, "invitation.removed", of: guest).count == 1)
            let off = try await users.announced("events.users.domain.disabled")
            #expect(off.count == 1 && off.first?.contains(personal) == true)

            for list in ["users", "groups/\(group)/users", "roles/\(role)/members"] {
                let text = try users.expect(200, await users.send("GET", "/domains/\(domain)/\(list)", as: owner)).text
                #expect(!text.contains(user.id), "\(list): \(text)")
            }
            // Who was invited by identity stays so: the inviter does not learn that somebody had it.
            let invitations = try await users.send("GET", "/domains/\(third)/invitations", as: owner).text
            #expect(invitations.contains(kept) && !invitations.contains(user.id))
            try await nothingRefers(to: user.id, users)
            // The domain that nobody was left in waits for whom the installation's administrator lets in.
            try await assign(guest, "admin", in: personal, users, as: admin)
            try users.expect(200, await users.send("POST", "/domains/\(personal)/enable", as: admin))
            _ = try await users.logIn("guest", domain: personal)
        }
    }

    /// In no column of any table but those that say who made something.
    private func nothingRefers(to user: String, _ users: UsersFixture) async throws {
        let pool = PostgresPool(configuration: PostgresConfiguration(url: users.databaseURL, schema: "users"))
        defer { pool.close() }
        let id = try #require(UserID(user))
        let counts: [String: SQL] = [
            "users": "SELECT count(*) FROM users WHERE id = \(id)",
            "sessions": "SELECT count(*) FROM sessions WHERE user_id = \(id)",
            "memberships": "SELECT count(*) FROM memberships WHERE user_id = \(id)",
            "roles": "SELECT count(*) FROM role_members WHERE user_id = \(id)",
            "groups": "SELECT count(*) FROM user_group_members WHERE user_id = \(id)",
            "keys": "SELECT count(*) FROM api_keys WHERE user_id = \(id)",
            "invitations": "SELECT count(*) FROM invitations WHERE user_id = \(id) OR invited_by = \(id)",
            "resets": "SELECT count(*) FROM password_resets WHERE user_id = \(id)",
        ]
        for (name, query) in counts {
            #expect(try await pool.execute(query).first?.decode(Int64.self, at: 0) == 0, "\(name)")
        }
    }

    @Test func nothingIsLeftWithoutAnAdministrator() async throws {
        try await UsersFixture.with { users in
            let user = try await users.register("u")
            let other = try await users.register("other")
            let (pair, admin) = (try await users.logIn("u"), try await users.admin())
            let domain = try await made(users, "/domains", #"{"name":"plant"}"#, as: pair)
            try await assign(other.id, "editor", in: domain, users, as: pair)
            let own = #"{"secret":"a long secret"}"#
            for (body, who) in [("", admin), (own, pair)] {
                let answer = try await users.send("DELETE", "/users/\(user.id)", body, as: who)
                #expect(answer.status == 409 && answer.problem?.reason == "last-administrator", "\(answer.text)")
                #expect(answer.problem?.detail.contains(domain) == true, "it says which domain: \(answer.text)")
            }
            // Nothing was taken by the attempts.
            try users.expect(200, await users.send("GET", "/users/profile", as: pair))
            #expect(try await users.announced("events.users.membership.removed").isEmpty)
            // With another administrator in it the domain does not need the person any more.
            try await assign(other.id, "admin", in: domain, users, as: pair)
            try users.expect(204, await users.send("DELETE", "/users/\(user.id)", own, as: pair))
            #expect(
                try await users.send("GET", "/domains/\(domain)", as: try await users.logIn("other", domain: domain))
                    .text.contains("enabled"))

            let administrator = try users.expect(200, await users.send("GET", "/users/profile", as: admin))
                .json(EntityBody.self).id
            let last = try await users.send(
                "DELETE", "/users/\(administrator)", #"{"secret":"\#(UsersFixture.adminPassword)"}"#, as: admin)
            #expect(last.status == 409 && last.problem?.reason == "last-administrator", "\(last.text)")
            let promotion = #"{"role":"admin"}"#
            try users.expect(200, await users.send("PATCH", "/users/\(other.id)/role", promotion, as: admin))
            try users.expect(
                204,
                await users.send(
                    "DELETE", "/users/\(administrator)", #"{"secret":"\#(UsersFixture.adminPassword)"}"#, as: admin))
        }
    }

    /// Logins, new memberships, keys and the removal itself at the same time: every answer is one of the API's, and afterwards nobody is there.
    @Test func aRemovalWhileEverythingElseHappens() async throws {
        try await UsersFixture.with { users in
            try await users.register("owner")
            let (owner, admin) = (try await users.logIn("owner"), try await users.admin())
            var domains: [String] = []
            for index in 0..<6 {
                domains.append(try await made(users, "/domains", #"{"name":"d\#(index)"}"#, as: owner))
            }
            for _ in 0..<3 {
                let user = try await users.register("u")
                let pair = try await users.logIn("u")
                var statuses: [Int] = []
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for domain in domains {
                        let body = #"{"user_ids":["\#(user.id)"],"role":"viewer"}"#
                        group.addTask {
                            try await users.send("POST", "/domains/\(domain)/users/assign", body, as: owner).status
                        }
                        group.addTask {
                            try await users.client.post(
                                "/users/tokens/issue", json: ["identity": "u", "secret": "a long secret"]
                            ).status
                        }
                        group.addTask { try await users.send("POST", "/pats", #"{"name":"p"}"#, as: pair).status }
                    }
                    for _ in 0..<2 {
                        group.addTask { try await users.send("DELETE", "/users/\(user.id)", as: admin).status }
                    }
                    for try await status in group { statuses.append(status) }
                }
                #expect(statuses.allSatisfy { [201, 204, 401, 404, 422, 503].contains($0) }, "\(statuses)")
                #expect(statuses.count { $0 == 204 } <= 1)
                // Busy at the first attempt, perhaps.
                _ = try await users.send("DELETE", "/users/\(user.id)", as: admin)
                try await nothingRefers(to: user.id, users)
                #expect(try await users.refresh(pair.refresh_token).status == 401)
            }
        }
    }
}
