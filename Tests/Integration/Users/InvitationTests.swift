// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import Foundation
import Identity
import TestKit
import Testing

/// Invitations by identifier, by identity, and by mail.
@Suite(.serialized) struct InvitationTests {
    private struct Entity: Decodable {
        var id: String
        var domain_id: String
        var domain_name: String
        var invitee_user_id: String?
        var invitee_identity: String?
        var role: String?
        var rejected_at: String?
    }

    private struct Page: Decodable {
        var total: Int
        var invitations: [Entity]
    }

    private struct Place {
        var users: UsersFixture
        var owner: TokenPair
        var guest: TokenPair
        var guestID: String
        var domain: String

        var path: String { "/domains/\(domain)/invitations" }

        func invite(_ json: String, as who: TokenPair? = nil) async throws -> HTTPClient.Response {
            try await users.send("POST", path, json, as: who ?? owner)
        }

        func answer(_ verb: String, _ json: String, as who: TokenPair? = nil) async throws -> Int {
            try await users.send("POST", "/invitations/\(verb)", json, as: who ?? guest).status
        }

        var own: Page {
            get async throws { try users.expect(200, await users.send("GET", "/invitations", as: guest)).json() }
        }

        var byID: String { #"{"invitee_user_id":"\#(guestID)","role":"editor"}"# }
        var accept: String { #"{"domain_id":"\#(domain)"}"# }
    }

    private static func with(
        _ settings: [String: any Sendable] = [:], _ body: (Place) async throws -> Void
    ) async throws {
        try await UsersFixture.with(settings) { users in
            let owner = try await users.register("owner@example.com")
            let guest = try await users.register("guest@example.com")
            try await body(
                Place(
                    users: users, owner: try await users.logIn("owner@example.com"),
                    guest: try await users.logIn("guest@example.com"), guestID: guest.id,
                    domain: try #require(owner.default_domain)))
        }
    }

    @Test func anInvitationIsAcceptedOnce() async throws {
        try await Self.with { place in
            let users = place.users
            let made: Entity = try users.expect(201, await place.invite(place.byID)).json()
            #expect(made.invitee_user_id == place.guestID && made.role == "editor")
            #expect(try await place.invite(place.byID).problem?.reason == "already-invited")
            #expect(try await place.invite(#"{"identity":"GUEST@example.com","role":"viewer"}"#).status == 409)
            let own = try await place.own
            #expect(own.total == 1 && own.invitations[0].domain_name == "owner@example.com")
            // Only who is meant, and only once, however many try at once.
            #expect(try await place.answer("accept", place.accept, as: place.owner) == 404)
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<6 { group.addTask { try await place.answer("accept", place.accept) } }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(statuses.sorted() == [200, 404, 404, 404, 404, 404])
            let inside = try await users.logIn("guest@example.com", domain: place.domain)
            #expect(try await users.send("GET", "/domains/\(place.domain)", as: inside).status == 200)
            #expect(try await place.own.total == 0)
            #expect(try await place.invite(place.byID).problem?.reason == "already-a-member")
        }
    }

    @Test func anInvitationIsRejectedTakenBackOrForgotten() async throws {
        try await Self.with { place in
            let users = place.users
            func list() async throws -> Page {
                try users.expect(200, await users.send("GET", place.path, as: place.owner)).json()
            }
            let byIdentity = #"{"identity":"guest@example.com","role":"viewer"}"#
            let made: Entity = try users.expect(201, await place.invite(byIdentity)).json()
            #expect(made.invitee_identity == "guest@example.com" && made.invitee_user_id == nil)
            #expect(try await place.answer("reject", #"{"id":"\#(made.id)"}"#, as: place.owner) == 404)
            #expect(try await place.answer("reject", #"{"id":"\#(made.id)"}"#) == 204)
            #expect(try await place.answer("accept", place.accept) == 404)
            #expect(try await list().invitations.first?.rejected_at != nil)
            // A rejected one makes room for another.
            try users.expect(201, await place.invite(place.byID))
            let body = #"{"user_id":"\#(place.guestID)"}"#
            try users.expect(204, await users.send("DELETE", place.path, body, as: place.owner))
            #expect(try await users.send("DELETE", place.path, body, as: place.owner).status == 404)
            let third: Entity = try users.expect(201, await place.invite(place.byID)).json()
            try users.expect(204, await users.send("DELETE", place.path + "/\(third.id)", as: place.owner))
            #expect(try await place.answer("accept", place.accept) == 404)
            // Too old: not there for the guest, and no hindrance for another.
            let short = #"{"invitee_user_id":"\#(place.guestID)","role":"viewer","duration":"1m"}"#
            try users.expect(201, await place.invite(short))
            users.clock.advance(seconds: 61)
            #expect(try await place.own.total == 0)
            #expect(try await place.answer("accept", place.accept) == 404)
            try users.expect(201, await place.invite(place.byID))
            #expect(try await place.answer("accept", place.accept) == 200)
        }
    }

    @Test func whoInvitesMustStillBeAllowedTo() async throws {
        try await Self.with { place in
            let users = place.users
            let helper = try await users.register("helper")
            func assign(_ role: String) async throws {
                let body = #"{"user_ids":["\#(helper.id)"],"role":"\#(role)"}"#
                try users.expect(
                    201, await users.send("POST", "/domains/\(place.domain)/users/assign", body, as: place.owner))
            }
            try await assign("admin")
            let admin = try await users.logIn("helper", domain: place.domain)
            try users.expect(201, await place.invite(place.byID, as: admin))
            try await assign("editor")
            let editor = try await users.logIn("helper", domain: place.domain)
            #expect(try await place.invite(place.byID, as: editor).status == 403)
            #expect(try await place.answer("accept", place.accept) == 422)
            try await assign("admin")
            #expect(try await place.answer("accept", place.accept) == 200)
        }
    }

    @Test func invitationsAreChecked() async throws {
        try await Self.with { place in
            let bad = [
                "{}": 400, #"{"identity":"x"}"#: 400, #"{"identity":"x","role":"none"}"#: 400,
                #"{"invitee_user_id":"x","role":"viewer"}"#: 400, #"{"identity":"nobody","role":"viewer"}"#: 422,
                #"{"invitee_user_id":"\#(UserID.new())","role":"viewer"}"#: 422,
                #"{"invitee_user_id":"\#(place.guestID)","role_id":"\#(UserID.new())"}"#: 404,
                #"{"invitee_user_id":"\#(place.guestID)","role":"viewer","duration":"5s"}"#: 400,
                #"{"identity":"a\r\nb@c","role":"viewer"}"#: 400,
                #"{"identity":"owner@example.com","role":"viewer"}"#: 409,
            ]
            for (body, status) in bad {
                let answer = try await place.invite(body)
                #expect(answer.status == status, "\(body): \(answer.text)")
            }
            #expect(try await place.invite(place.byID, as: place.guest).status == 404, "not a member, no such domain")
            #expect(try await place.answer("accept", #"{"token":"x"}"#) == 404)
            #expect(try await place.answer("accept", "{}") == 400)
        }
    }

    @Test func aStrangerIsInvitedByMail() async throws {
        let server = try await MailServer.start()
        let settings: [String: any Sendable] = [
            "smtp.host": "127.0.0.1", "smtp.port": server.port, "smtp.security": "none",
            "smtp.from": "martlet@example.com",
        ]
        try await Self.with(settings) { place in
            let users = place.users
            // Whether there is such a user, the answer does not tell.
            let known = try users.expect(
                201, await place.invite(#"{"identity":"guest@example.com","role":"viewer"}"#)
            ).json(Entity.self)
            let unknown = try users.expect(
                201, await place.invite(#"{"identity":"new@example.com","role":"editor"}"#)
            ).json(Entity.self)
            #expect(known.invitee_user_id == nil && unknown.invitee_user_id == nil)
            let mails = try await server.mails(2)
            let mail = try #require(mails.first { $0.to == "new@example.com" })
            let token = try #require(mail.token)
            // Who registers under the name has not got the mail by that.
            try await users.register("new@example.com")
            let imposter = try await users.logIn("new@example.com")
            #expect(try await place.answer("accept", place.accept, as: imposter) == 404)
            #expect(try await place.answer("accept", #"{"token":"\#(token)x"}"#, as: imposter) == 404)
            #expect(try await place.answer("accept", #"{"token":"\#(token)"}"#, as: imposter) == 200)
            _ = try await users.logIn("new@example.com", domain: place.domain)
            // The token of who was known is good for that one only.
            let other = try #require(mails.first { $0.to == "guest@example.com" }?.token)
            try await users.register("third")
            let third = try await users.logIn("third")
            #expect(try await place.answer("accept", #"{"token":"\#(other)"}"#, as: third) == 404)
            #expect(try await place.answer("accept", #"{"token":"\#(other)"}"#) == 200)
            // Nobody's mailbox is flooded.
            var last = 0
            for _ in 0..<10 where last != 429 {
                last = try await place.invite(#"{"identity":"flood@example.com","role":"viewer"}"#).status
                _ = try await users.send("DELETE", place.path, #"{"identity":"flood@example.com"}"#, as: place.owner)
            }
            #expect(last == 429)
        }
        await server.stop()
    }
}
