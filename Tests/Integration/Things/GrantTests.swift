// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import HTTPKit
import Identity
import Messaging
import TestKit
import Testing

@Suite struct GrantTests {
    private func makeGroup(_ name: String, below parent: String? = nil, as person: Person) async throws -> String {
        var body: [String: JSONValue] = ["name": .string(name)]
        if let parent { body["parent_id"] = .string(parent) }
        return try #require(try await person.post("/groups", .object(body)).text("id"))
    }

    @Test func aRoleOnAGroupHoldsForEverythingBelowIt() async throws {
        try await SharedStack.with { stack in
            let domain = DomainID.new()
            let admin = try await stack.person(.admin, in: domain)
            let person = try await stack.person(.none, in: domain)
            let site = try await makeGroup("site", as: admin)
            let hall = try await makeGroup("hall", below: site, as: admin)
            let elsewhere = try await makeGroup("elsewhere", as: admin)
            let thing = try await admin.makeThing(["name": "below", "parent_group_id": .string(hall)]).id
            let hidden = try await admin.makeThing(["name": "hidden", "parent_group_id": .string(elsewhere)]).id
            let channel = try await admin.makeChannel(["route": "below", "parent_group_id": .string(hall)])
            #expect(try await person.get("/things").reason == "role-too-low")

            #expect(try await admin.give(person, "viewer", on: "/groups/\(site)/users/assign").status == 201)
            #expect(try await person.get("/things").list("things").map { $0.text("name") } == ["below"])
            #expect(try await person.get("/channels").list("channels").map { $0.text("route") } == ["below"])
            #expect(
                try await person.get("/groups?order=name").list("groups").map { $0.text("name") } == ["hall", "site"])
            #expect(try await person.get("/things/\(hidden)").reason == "unknown-thing")
            #expect(try await person.get("/groups/\(elsewhere)").reason == "unknown-group")
            #expect(try await person.patch("/things/\(thing)", ["name": "x"]).reason == "role-too-low")

            // The higher of two roles counts.
            #expect(try await admin.give(person, "editor", on: "/groups/\(hall)/users/assign").status == 201)
            #expect(try await person.patch("/things/\(thing)", ["name": "changed"]).status == 200)
            #expect(try await person.connect(thing, channel).status == 200)
            #expect(try await person.connect(hidden, channel).reason == "unknown-thing")
            #expect(try await person.post("/things", ["parent_group_id": .string(hall)]).status == 201)
            #expect(try await person.post("/things", ["parent_group_id": .string(site)]).status == 403)
            #expect(try await person.post("/things", [:]).status == 403)
            #expect(try await person.post("/things/bulk", [["parent_group_id": .string(hall)], [:]]).status == 403)
            // The viewer's role in `site` is no right to take things out of its sight.
            #expect(try await person.post("/groups/\(hall)/parent", ["parent_id": .string(elsewhere)]).status == 403)
            #expect(try await person.delete("/groups/\(hall)/parent").status == 403)
            #expect(try await person.delete("/groups/\(hall)").status == 403)

            // Out of the group, out of sight.
            #expect(try await admin.delete("/things/\(thing)/parent").status == 204)
            #expect(try await person.get("/things/\(thing)").status == 404)
            let body: JSONValue = ["user_ids": [.string(person.user.description)]]
            #expect(try await admin.post("/groups/\(site)/users/unassign", body).status == 204)
            #expect(try await person.get("/groups").list("groups").map { $0.text("name") } == ["hall"])
            // Everybody may give up what they have.
            #expect(try await person.post("/groups/\(hall)/users/unassign", body).status == 204)
            #expect(try await person.get("/groups").reason == "role-too-low")
        }
    }

    @Test func oneThingIsShared() async throws {
        try await SharedStack.with { stack in
            let domain = DomainID.new()
            let admin = try await stack.person(.admin, in: domain)
            let editor = try await stack.person(.editor, in: domain)
            let viewer = try await stack.person(.viewer, in: domain)
            let person = try await stack.person(.none, in: domain)
            let stranger = try await stack.person(.admin, in: .new())
            let thing = try await admin.makeThing(["name": "shared"]).id
            let other = try await admin.makeThing(["name": "other"]).id
            let share = "/things/\(thing)/share"
            #expect(try await editor.give(person, "viewer", on: share).status == 403)
            #expect(try await stranger.give(stranger, "viewer", on: share).status == 404)
            #expect(try await admin.give(person, "owner", on: share).reason == "invalid-relation")
            #expect(try await admin.post(share, ["user_ids": [], "relation": "viewer"]).reason == "bulk-size")
            #expect(
                try await admin.post(share, ["user_ids": [.string(person.user.description)]]).reason == "missing-field")
            #expect(try await admin.give(person, "viewer", on: share).status == 201)
            #expect(try await person.get("/things").list("things").map { $0.text("name") } == ["shared"])
            #expect(try await person.get("/things/\(other)").status == 404)
            #expect(try await person.patch("/things/\(thing)/secret", [:]).status == 403)

            // The first dialect's words; also for a viewer of the domain.
            for someone in [person, viewer] {
                let body: JSONValue = [
                    "user_ids": [.string(someone.user.description)], "policies": ["read", "write"],
                ]
                #expect(try await admin.post(share, body).status == 201)
                #expect(try await someone.patch("/things/\(thing)", ["name": "changed"]).status == 200)
            }
            #expect(try await viewer.patch("/things/\(other)", ["name": "changed"]).status == 403)
            let list = try await editor.get("/things/\(thing)/users")
            #expect(list.integer("total") == 2)
            #expect(Set(list.list("users").compactMap { $0.text("relation") }) == ["editor"])
            // A token for another domain carries no right of this one, whoever has it.
            let elsewhere = try await stack.person(.none, in: .new(), user: person.user)
            #expect(try await elsewhere.get("/things/\(thing)").status == 404)
            #expect(
                try await admin.post(
                    "/things/\(thing)/unshare", ["user_ids": [.string(person.user.description)]]
                ).status == 204)
            #expect(try await person.get("/things/\(thing)").status == 404)
        }
    }

    @Test func nobodyRisesByMovingThings() async throws {
        try await SharedStack.with { stack in
            let domain = DomainID.new()
            let admin = try await stack.person(.admin, in: domain)
            let person = try await stack.person(.editor, in: domain)
            let group = try await makeGroup("his own", as: admin)
            let other = try await makeGroup("other", as: admin)
            let thing = try await admin.makeThing().id
            #expect(try await admin.give(person, "administrator", on: "/groups/\(group)/users/assign").status == 201)
            let into: JSONValue = ["parent_id": .string(group)]
            #expect(try await person.post("/things/\(thing)/parent", into).reason == "role-would-rise")
            #expect(try await person.post("/groups/\(other)/parent", into).reason == "role-would-rise")
            #expect(try await person.post("/things/\(thing)/parent", ["parent_id": .string(other)]).status == 200)
            #expect(try await person.give(person, "administrator", on: "/things/\(thing)/share").status == 403)
            // What the person makes there is the person's to share.
            let own = try await person.makeThing(["parent_group_id": .string(group)]).id
            let friend = try await stack.person(.none, in: domain)
            #expect(try await person.give(friend, "editor", on: "/things/\(own)/share").status == 201)
            #expect(try await friend.patch("/things/\(own)", ["name": "x"]).status == 200)
        }
    }

    @Test func changesOfRolesAndGroupsAreAnnounced() async throws {
        try await SharedStack.with { stack in
            let domain = DomainID.new()
            let admin = try await stack.person(.admin, in: domain)
            let bus = try await stack.adapterBus()
            let subscription = try await bus.subscribe(Subjects.thingsEvents, queueGroup: nil)
            let group = try await makeGroup("g", as: admin)
            let thing = try await admin.makeThing().id
            for relation in ["viewer", "viewer", "editor"] {
                #expect(try await admin.give(admin, relation, on: "/groups/\(group)/users/assign").status == 201)
            }
            let body: JSONValue = ["user_ids": [.string(admin.user.description)]]
            #expect(try await admin.post("/groups/\(group)/users/unassign", body).status == 204)
            #expect(try await admin.post("/things/\(thing)/parent", ["parent_id": .string(group)]).status == 200)
            #expect(try await admin.delete("/groups/\(group)").status == 204)

            var heard: [String] = []
            reading: for try await batch in subscription.batches {
                for message in batch {
                    let event = try JSONDecoder().decode(
                        EntityEvent.self, from: Data(message.payload.readableBytesView))
                    guard event.domain == domain else { continue }
                    heard.append("\(event.entity).\(event.what)")
                    if event.entity == "grant" {
                        #expect(event.user == admin.user && event.group?.description == group)
                    }
                    if heard.last == "group.removed" { break reading }
                }
            }
            #expect(
                heard == [
                    "group.created", "thing.created", "grant.created", "grant.updated", "grant.removed",
                    "thing.updated",
                    "group.removed",
                ])
            await bus.close()
        }
    }
}
