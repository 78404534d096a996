// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import TestKit
import Testing

@Suite struct GroupTests {
    /// Creates a group and returns its identifier.
    private func make(_ name: String, below parent: String? = nil, as person: Person) async throws -> String {
        var body: [String: JSONValue] = ["name": .string(name)]
        if let parent { body["parent_id"] = .string(parent) }
        let answer = try await person.post("/groups", .object(body))
        try #require(answer.status == 201, "\(answer.body)")
        return try #require(answer.text("id"))
    }

    private func names(_ answer: Person.Answer, _ member: String = "groups") -> [String] {
        answer.list(member).compactMap { $0.text("name") }
    }

    @Test func aTreeIsBuiltListedMovedAndTakenApart() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let site = try await make("site", as: person)
            let hall = try await make("hall", below: site, as: person)
            let line = try await make("line", below: hall, as: person)
            let other = try await make("other", as: person)

            let viewed = try await person.get("/groups/\(line)")
            #expect(viewed.integer("level") == 3)
            #expect(viewed.text("path") == "\(site).\(hall).\(line)")
            #expect(viewed.text("parent_id") == hall)
            #expect(names(try await person.get("/groups/\(site)/children?order=name")) == ["hall", "line"])
            #expect(names(try await person.get("/groups/\(site)/children?level=1")) == ["hall"])
            #expect(names(try await person.get("/groups/\(line)/parents?order=name")) == ["hall", "site"])
            #expect(names(try await person.get("/groups/\(line)/parents?level=1")) == ["hall"])
            #expect(names(try await person.get("/groups?level=1&order=name")) == ["other", "site"])
            #expect(names(try await person.get("/groups?name=IN")) == ["line"])
            let tree = try await person.get("/groups?tree=true")
            #expect(names(tree) == ["other", "site"])
            let inSite = try #require(tree.list("groups").last)
            #expect(names(inSite, "children") == ["hall"])
            #expect(names(try #require(inSite.list("children").first), "children") == ["line"])

            let changed = try await person.patch(
                "/groups/\(hall)", ["description": "by the river", "metadata": ["a": 1]])
            #expect(changed.text("name") == "hall")
            #expect(changed.text("description") == "by the river")
            #expect(changed["metadata"] == ["a": 1])

            let moved = try await person.post("/groups/\(hall)/parent", ["parent_id": .string(other)])
            #expect(moved.text("path") == "\(other).\(hall)")
            #expect(try await person.get("/groups/\(line)").text("path") == "\(other).\(hall).\(line)")
            for target in [hall, line] {
                let refused = try await person.post("/groups/\(hall)/parent", ["parent_id": .string(target)])
                #expect(refused.status == 422)
                #expect(refused.reason == "group-cycle")
            }

            // What a group holds goes one level up with it gone.
            let thing = try await person.makeThing(["name": "t", "parent_group_id": .string(hall)]).id
            #expect(try await person.delete("/groups/\(hall)").status == 204)
            #expect(try await person.get("/groups/\(line)").text("path") == "\(other).\(line)")
            #expect(try await person.get("/things/\(thing)").text("parent_group_id") == other)
            #expect(try await person.delete("/groups/\(other)").status == 204)
            #expect(try await person.get("/things/\(thing)")["parent_group_id"] == nil)
            #expect(try await person.get("/groups/\(line)").integer("level") == 1)
            #expect(try await person.get("/groups/\(hall)").reason == "unknown-group")
        }
    }

    @Test func theTreeHasLimits() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let stranger = try await stack.person(in: .new())
            var chain: [String] = []
            for level in 0..<16 { chain.append(try await make("\(level)", below: chain.last, as: person)) }
            let refused = try await person.post("/groups", ["name": "17", "parent_id": .string(chain[15])])
            #expect(refused.reason == "group-too-deep")
            let root = try await make("root", as: person)
            #expect(
                try await person.post("/groups/\(chain[0])/parent", ["parent_id": .string(root)]).reason
                    == "group-too-deep")
            #expect(try await person.post("/groups/\(chain[1])/parent", ["parent_id": .string(root)]).status == 200)
            #expect(try await person.get("/groups/\(chain[15])").integer("level") == 16)

            #expect(try await person.post("/groups", [:]).reason == "missing-field")
            #expect(try await person.post("/groups", ["name": ""]).reason == "missing-name")
            #expect(try await person.post("/groups", ["name": "x", "metadata": [1]]).reason == "metadata-not-object")
            #expect(try await person.get("/groups?level=17").status == 400)
            #expect(try await stranger.post("/groups", ["name": "x", "parent_id": .string(root)]).status == 404)
            #expect(try await stranger.post("/things", ["parent_group_id": .string(root)]).reason == "unknown-group")
            let own = try await make("own", as: stranger)
            #expect(try await stranger.post("/groups/\(own)/parent", ["parent_id": .string(root)]).status == 404)
        }
    }

    @Test func movesAtTheSameTimeMakeNoCircle() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let groups = [
                try await make("a", as: person), try await make("b", as: person), try await make("c", as: person),
            ]
            for _ in 0..<15 {
                let statuses = try await withThrowingTaskGroup(of: Int.self) { tasks in
                    for index in groups.indices {
                        tasks.addTask {
                            try await person.post(
                                "/groups/\(groups[index])/parent", ["parent_id": .string(groups[(index + 1) % 3])]
                            ).status
                        }
                    }
                    return try await tasks.reduce(into: [Int]()) { $0.append($1) }
                }
                // Whoever comes last would close the circle.
                #expect(statuses.contains(422))
                #expect(statuses.allSatisfy { $0 == 200 || $0 == 422 })
                var levels: [Int] = []
                for group in groups {
                    let viewed = try await person.get("/groups/\(group)")
                    let path = viewed.text("path")?.split(separator: ".") ?? []
                    #expect(Set(path).count == path.count)
                    levels.append(try #require(viewed.integer("level")))
                }
                #expect(levels.contains(1))
                for group in groups { #expect(try await person.delete("/groups/\(group)/parent").status == 204) }
            }
        }
    }

    @Test func thingsAndChannelsAreInOneGroup() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let upper = try await make("upper", as: person)
            let lower = try await make("lower", below: upper, as: person)
            let things = [try await person.makeThing().id, try await person.makeThing().id]
            let channel = try await person.makeChannel(["route": "c"])
            let members: JSONValue = ["type": "things", "members": .array(things.map { .string($0.description) })]
            #expect(try await person.post("/groups/\(lower)/members", members).status == 200)
            #expect(try await person.post("/groups/\(lower)/members", members).status == 200)
            #expect(try await person.get("/groups/\(lower)/members").integer("total") == 2)
            #expect(try await person.get("/groups/\(upper)/members?type=things").integer("total") == 0)
            #expect(try await person.get("/groups/\(upper)/things?deep=true").integer("total") == 2)
            #expect(
                try await person.post("/channels/c/groups/assign", ["group_ids": [.string(upper)]]).status == 201)
            #expect(try await person.get("/groups/\(upper)/channels").integer("total") == 1)
            #expect(try await person.get("/channels/\(channel)").text("parent_group_id") == upper)
            #expect(
                try await person.post("/channels/c/groups/unassign", ["group_ids": [.string(lower)]]).reason
                    == "not-a-member")
            #expect(
                try await person.post(
                    "/channels/c/groups/assign", ["group_ids": [.string(upper), .string(lower)]]
                ).reason == "one-group")

            #expect(
                try await person.post("/things/\(things[0])/parent", ["parent_id": .string(upper)]).status == 200)
            #expect(try await person.get("/groups/\(lower)/things").integer("total") == 1)
            #expect(try await person.send("DELETE", "/groups/\(lower)/members", members).reason == "not-a-member")
            #expect(try await person.delete("/things/\(things[0])/parent").status == 204)
            #expect(try await person.get("/groups/\(upper)/things").integer("total") == 0)
            #expect(try await person.post("/groups/\(upper)/members", ["type": "users", "members": []]).status == 400)
            #expect(
                try await person.post("/groups/\(upper)/members", ["type": "things", "members": []]).reason
                    == "bulk-size")
            #expect(
                try await person.post(
                    "/groups/\(upper)/members", ["type": "things", "members": [.string(ThingID.new().description)]]
                ).reason == "unknown-thing")

            // Removing a group while things come into it ends in one of the two orders.
            for _ in 0..<10 {
                let group = try await make("short-lived", as: person)
                async let removed = person.delete("/groups/\(group)").status
                async let put = person.post("/things/\(things[1])/parent", ["parent_id": .string(group)]).status
                let (removal, putting) = try await (removed, put)
                #expect(removal == 204 || removal == 409)
                #expect([200, 404, 409].contains(putting))
                #expect(try await person.get("/things/\(things[1])").status == 200)
            }
        }
    }
}
