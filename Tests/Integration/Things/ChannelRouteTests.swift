// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import TestKit
import Testing

@Suite struct ChannelRouteTests {
    @Test func aChannelHasARoute() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let stranger = try await stack.person(in: .new())
            let created = try await person.post("/channels", ["name": "temperatures", "route": "hall-2"])
            #expect(created.status == 201)
            let id = try #require(created.text("id"))
            #expect(created.headers["location"] == "/channels/\(id)")
            #expect(try await person.get("/channels/hall-2").text("id") == id)
            #expect(try await person.post("/channels", ["route": "hall-2"]).reason == "route-in-use")
            #expect(try await stranger.post("/channels", ["route": "hall-2"]).status == 201)
            for route in ["with space", "a/b", "ä", ChannelID.new().description, String(repeating: "r", count: 129)] {
                #expect(try await person.post("/channels", ["route": .string(route)]).reason == "invalid-route")
            }

            let renamed = try await person.patch("/channels/hall-2", ["route": "hall-3"])
            #expect(renamed.text("route") == "hall-3")
            #expect(renamed.text("name") == "temperatures")
            #expect(try await person.get("/channels/hall-2").status == 404)
            #expect(try await person.patch("/channels/\(id)", ["name": "t"]).text("route") == "hall-3")
            #expect(try await person.patch("/channels/\(id)", ["route": .null]).text("route") == nil)
            #expect(try await person.post("/channels/\(id)/disable").text("status") == "disabled")
            #expect(try await person.patch("/channels/\(id)/tags", ["tags": ["x"]])["tags"] == ["x"])
            #expect(try await person.delete("/channels/\(id)").status == 204)
            #expect(try await person.get("/channels/\(id)").status == 404)
        }
    }

    @Test func bulkIsAllOrNothing() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let things = try await person.post(
                "/things/bulk",
                .array((0..<200).map { ["name": .string("t\($0)"), "tags": ["bulk", .string("n\($0)")]] }))
            #expect(things.status == 201)
            #expect(things.list("things").count == 200)
            #expect(Set(things.list("things").compactMap { $0.text("key") }).count == 200)
            #expect(try await person.get("/things?tag=n7").list("things").map { $0.text("name") } == ["t7"])

            let route: JSONValue = ["route": "same"]
            #expect(try await person.post("/channels/bulk", [route, route]).status == 409)
            #expect(try await person.post("/channels/bulk", [route, ["tags": [""]]]).status == 422)
            #expect(try await person.get("/channels").integer("total") == 0)
            #expect(try await person.post("/channels/bulk", [route, ["name": "b"]]).status == 201)
            #expect(try await person.get("/channels").integer("total") == 2)
            #expect(try await person.post("/things/bulk", []).reason == "bulk-size")
            let tooMany = JSONValue.array((0..<1_001).map { _ in [:] })
            #expect(try await person.post("/things/bulk", tooMany).reason == "bulk-size")
        }
    }

    @Test func listsPageFilterAndOrder() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            _ = try await person.post(
                "/things/bulk",
                .array(
                    (0..<25).map {
                        [
                            "name": .string("Sensor \($0 % 5)"), "tags": [$0 % 2 == 0 ? "even" : "odd"],
                            "metadata": ["n": .integer(Int64($0)), "kind": ["type": "pt100"]],
                        ]
                    }))
            let page = try await person.get("/things?limit=10&offset=20")
            #expect(page.integer("total") == 25)
            #expect(page.integer("offset") == 20)
            #expect(page.list("things").count == 5)
            #expect(page["next_cursor"] == nil)
            #expect(try await person.get("/things?tag=even").integer("total") == 13)
            #expect(try await person.get("/things?name=sensor%203").integer("total") == 5)
            #expect(try await person.get("/things?name=%25").integer("total") == 0)
            let search: JSONValue = ["metadata": ["n": 7], "order": "name", "dir": "desc", "limit": 5, "status": "all"]
            #expect(try await person.post("/things/search", search).integer("total") == 1)
            #expect(try await person.post("/things/search", [:]).list("things").count == 10)
            for bad in [["limit": 101], ["offset": -1], ["order": "key"], ["status": "gone"]] as [JSONValue] {
                #expect(try await person.post("/things/search", bad).reason == "invalid-value")
            }
            #expect(try await person.get("/things?metadata=%7B%22n%22:7%7D").integer("total") == 1)
            #expect(
                try await person.get("/things?metadata=%7B%22kind%22:%7B%22type%22:%22pt100%22%7D%7D").integer("total")
                    == 25)

            for (order, direction) in [("id", "asc"), ("id", "desc"), ("name", "asc"), ("name", "desc")] {
                let list = "/things?limit=7&order=\(order)&dir=\(direction)"
                var seen: [String] = []
                var path = list
                while true {
                    let page = try await person.get(path)
                    #expect(page.status == 200)
                    seen += page.list("things").compactMap { $0.text("id") }
                    guard let cursor = page.text("next_cursor") else { break }
                    path = "\(list)&cursor=\(cursor)"
                }
                let whole = try await person.get("/things?limit=100&order=\(order)&dir=\(direction)")
                #expect(seen == whole.list("things").compactMap { $0.text("id") })
                #expect(Set(seen).count == 25)
                let names = whole.list("things").compactMap { $0.text("name") }
                if order == "name" { #expect(names == (direction == "asc" ? names.sorted() : names.sorted(by: >))) }
            }

            let id = try #require(page.list("things").first?.text("id"))
            _ = try await person.post("/things/\(id)/disable")
            #expect(try await person.get("/things").integer("total") == 24)
            #expect(try await person.get("/things?status=disabled").integer("total") == 1)
            #expect(try await person.get("/things?status=all").integer("total") == 25)

            for query in [
                "limit=0", "limit=101", "limit=x", "offset=-1", "order=key", "dir=up", "status=x", "metadata=x",
                "metadata=[]", "cursor=x", "cursor=AAAA", "limit=1&limit=2", "name=%00", "name=%zz",
            ] {
                #expect(try await person.get("/things?\(query)").status == 400, "\(query)")
            }
        }
    }

    @Test func connectionsAreListedFromBothEnds() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let thing = try await person.makeThing().id
            let other = try await person.makeThing().id
            let channel = try await person.makeChannel(["route": "r"])
            #expect(try await person.connect(thing, channel).status == 200)
            #expect(
                try await person.post(
                    "/connect", ["thing_id": .string(other.description), "channel_id": "r", "types": ["publish"]]
                ).status == 201)
            #expect(try await person.get("/channels/r/things").integer("total") == 2)
            #expect(
                try await person.get("/things/\(thing)/channels").list("channels").map { $0.text("route") } == ["r"])
            #expect(try await person.get("/things/\(thing)/channels?disconnected=true").integer("total") == 0)

            // One direction of two, then the other.
            #expect(try await person.disconnect(thing, channel, types: ["publish"]).status == 204)
            #expect(try await person.get("/channels/r/things").integer("total") == 2)
            #expect(try await person.disconnect(thing, channel, types: ["subscribe"]).status == 204)
            #expect(try await person.get("/channels/r/things").integer("total") == 1)
            #expect(try await person.get("/channels/r/things?disconnected=true").integer("total") == 1)
            #expect(try await person.disconnect(thing, channel).status == 204)

            #expect(try await person.put("/channels/r/things/\(thing)").status == 200)
            #expect(try await person.delete("/channels/r/things/\(thing)").status == 204)
            #expect(
                try await person.post("/channels/r/things/\(thing)/connect", ["types": ["subscribe"]]).status == 201)
            #expect(try await person.post("/channels/r/things/\(thing)/disconnect").status == 204)
            let lists: JSONValue = ["thing_ids": [.string(other.description)], "channel_ids": ["r"]]
            #expect(try await person.put("/disconnect", lists).status == 200)
            #expect(try await person.get("/channels/r/things").integer("total") == 0)

            #expect(try await person.connect(thing, channel, types: ["both"]).reason == "invalid-type")
            #expect(try await person.connect(thing, channel, types: []).reason == "invalid-type")
            #expect(try await person.post("/connect", [:]).reason == "missing-field")
            #expect(try await person.connect(.new(), channel).reason == "unknown-thing")
            #expect(try await person.connect(thing, .new()).reason == "unknown-channel")
            #expect(try await person.post("/connect", ["thing_ids": ["x"], "channel_ids": ["r"]]).status == 400)
        }
    }

    @Test func concurrentChangesOfDifferentAttributesAllLast() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let thing = try await person.makeThing().id
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<20 {
                    group.addTask { try await person.patch("/things/\(thing)", ["name": .string("n\(number)")]).status }
                    group.addTask { try await person.patch("/things/\(thing)/tags", ["tags": ["last"]]).status }
                    group.addTask { try await person.patch("/things/\(thing)", ["metadata": ["kept": true]]).status }
                }
                for try await status in group { #expect(status == 200) }
            }
            let viewed = try await person.get("/things/\(thing)")
            #expect(viewed.text("name")?.hasPrefix("n") == true)
            #expect(viewed["tags"] == ["last"])
            #expect(viewed["metadata"] == ["kept": true])
        }
    }
}
