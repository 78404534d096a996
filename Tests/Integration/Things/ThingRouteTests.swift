// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import TestKit
import Testing

@Suite struct ThingRouteTests {
    @Test func aThingLivesFromCreationToRemoval() async throws {
        try await withThings { stack in
            let domain = DomainID.new()
            let person = try await stack.person(in: domain)
            let created = try await person.post(
                "/things",
                ["name": "boiler 7", "tags": ["hall-2"], "metadata": ["floor": 2, "deep": ["x": [1, 2.5]]]])
            #expect(created.status == 201)
            let id = try #require(created.text("id"))
            #expect(created.headers["location"] == "/things/\(id)")
            guard case .string(let key)? = created["credentials", "secret"] else {
                Issue.record("no key was shown")
                return
            }
            #expect(key.utf8.count == 43)
            #expect(created["key"] == .string(key))

            let viewed = try await person.get("/things/\(id)")
            #expect(viewed.status == 200)
            #expect(viewed.text("name") == "boiler 7")
            #expect(viewed["tags"] == ["hall-2"])
            #expect(viewed["metadata"] == ["floor": 2, "deep": ["x": [1, 2.5]]])
            #expect(viewed.text("domain_id") == domain.description)
            #expect(viewed.text("created_by") == person.user.description)
            #expect(viewed.text("status") == "enabled")
            #expect(viewed["credentials"] == nil)
            #expect(viewed["key"] == nil)

            let renamed = try await person.patch("/things/\(id)", ["name": "boiler 8", "status": "disabled"])
            #expect(renamed.status == 200)
            #expect(renamed.text("name") == "boiler 8")
            #expect(renamed["tags"] == ["hall-2"])
            #expect(renamed.text("status") == "enabled")
            #expect(renamed.text("updated_by") == person.user.description)
            let replaced = try await person.put("/things/\(id)", ["metadata": ["floor": 3]])
            #expect(replaced["metadata"] == ["floor": 3])
            #expect(replaced.text("name") == "boiler 8")
            let tagged = try await person.patch("/things/\(id)/tags", ["tags": ["a", "b"]])
            #expect(tagged["tags"] == ["a", "b"])

            for (word, status) in [("disable", "disabled"), ("disable", "disabled"), ("enable", "enabled")] {
                let answer = try await person.post("/things/\(id)/\(word)")
                #expect(answer.status == 200)
                #expect(answer.text("status") == status)
            }
            #expect(try await person.delete("/things/\(id)").status == 204)
            #expect(try await person.get("/things/\(id)").status == 404)
            #expect(try await person.delete("/things/\(id)").status == 404)
        }
    }

    @Test func keysCanBeBroughtAndAreUnique() async throws {
        try await withThings { stack in
            let person = try await stack.person(in: .new())
            let stranger = try await stack.person(in: .new())
            let own = "0123456789abcdef-own"
            let first = try await person.post("/things", ["key": .string(own)])
            #expect(first["credentials", "secret"] == .string(own))
            #expect(try await person.post("/things", ["credentials": ["secret": .string(own)]]).reason == "key-in-use")
            #expect(try await stranger.post("/things", ["key": .string(own)]).status == 409)

            let id = try #require(first.text("id"))
            let rotated = try await person.patch("/things/\(id)/secret", ["secret": "another key of mine"])
            #expect(rotated.status == 422)
            #expect(rotated.reason == "key-characters")
            #expect(try await person.patch("/things/\(id)/secret", ["secret": "short"]).reason == "key-length")
            let random = try await person.patch("/things/\(id)/secret", [:])
            #expect(random.status == 200)
            #expect(random["credentials", "secret"] != .string(own))
            let chosen = try await person.patch("/things/\(id)/key", ["key": "fedcba9876543210"])
            #expect(chosen["key"] == "fedcba9876543210")
            // The former key is free again.
            #expect(try await stranger.post("/things", ["key": .string(own)]).status == 201)
            #expect(
                try await person.post(
                    "/things", ["key": "0123456789abcdef-1", "credentials": ["secret": "0123456789abcdef-2"]]
                )
                .reason == "ambiguous-key")
        }
    }

    @Test func identifiersCanBeBroughtWhenCanonical() async throws {
        try await withThings { stack in
            let person = try await stack.person(in: .new())
            let id = ThingID.new()
            let created = try await person.post("/things", ["id": .string(id.description)])
            #expect(created.text("id") == id.description)
            let again = try await person.post("/things", ["id": .string(id.description)])
            #expect(again.status == 409)
            #expect(again.reason == "identifier-in-use")
            #expect(try await person.post("/things", ["id": "42"]).status == 400)
        }
    }

    @Test(
        arguments: [
            (["name": .string(String(repeating: "n", count: 1025))], 422, "name-too-long"),
            (["tags": [""]], 422, "invalid-tag"), (["tags": ["a", "a"]], 422, "repeated-tag"),
            (["tags": .array((0..<51).map { .string("t\($0)") })], 422, "too-many-tags"),
            (["tags": "a"], 400, "wrong-type"), (["name": 7], 400, "wrong-type"),
            (["metadata": [1]], 422, "metadata-not-object"),
            (["metadata": ["m": .string(String(repeating: "x", count: 65_536))]], 422, "metadata-too-large"),
        ] as [(JSONValue, Int, String)])
    func aBadBodyIsRefusedPrecisely(body: JSONValue, status: Int, reason: String) async throws {
        // One stack for each case would cost seconds: the checks need none of what other tests do.
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            for path in ["/things", "/channels"] {
                let answer = try await person.post(path, body)
                #expect(answer.status == status)
                #expect(answer.reason == reason)
                #expect(answer.headers["content-type"] == "application/problem+json")
                #expect(answer.text("error") != nil)
            }
            #expect(try await person.get("/things").integer("total") == 0)
        }
    }

    @Test func whatIsNoJSONIsRefused() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            for (bytes, contentType, status) in [
                ("{", "application/json", 400), ("", "application/json", 400), ("{}", "text/plain", 415),
                ("[]", "application/json", 400), (#"{"name":"\u0000"}"#, "application/json", 400),
                (String(repeating: "[", count: 100_000), "application/json", 400),
                (String(repeating: " ", count: 2 << 20), "application/json", 413),
            ] {
                let answer = try await person.send(
                    "POST", "/things", bytes: Array(bytes.utf8), contentType: contentType)
                #expect(answer.status == status, "\(bytes.prefix(20))")
            }
        }
    }

    @Test func rolesAndDomainsAreKeptApart() async throws {
        try await SharedStack.with { stack in
            let domain = DomainID.new()
            let editor = try await stack.person(in: domain)
            let viewer = try await stack.person(.viewer, in: domain)
            let nobody = try await stack.person(.none, in: domain)
            let stranger = try await stack.person(.admin, in: .new())
            let thing = try await editor.makeThing(["name": "mine"])
            let channel = try await editor.makeChannel(["route": "mine"])
            _ = try await editor.connect(thing.id, channel)

            #expect(try await viewer.get("/things/\(thing.id)").status == 200)
            #expect(try await viewer.post("/things", [:]).status == 403)
            #expect(try await viewer.delete("/things/\(thing.id)").status == 403)
            #expect(try await viewer.connect(thing.id, channel).status == 403)
            #expect(try await nobody.get("/things").status == 403)
            #expect(try await HTTPClient(port: stack.port).get("/things").status == 401)
            let forged = HTTPClient(port: stack.port, headers: ["Authorization": "Bearer a.b.c"])
            #expect(try await forged.get("/things").status == 401)

            #expect(try await stranger.get("/things").integer("total") == 0)
            #expect(try await stranger.get("/channels").integer("total") == 0)
            for (method, path, body) in [
                ("GET", "/things/\(thing.id)", nil), ("PATCH", "/things/\(thing.id)", ["name": "x"]),
                ("PATCH", "/things/\(thing.id)/secret", [:]), ("PATCH", "/things/\(thing.id)/tags", ["tags": []]),
                ("POST", "/things/\(thing.id)/disable", nil), ("DELETE", "/things/\(thing.id)", nil),
                ("GET", "/things/\(thing.id)/channels", nil), ("GET", "/channels/\(channel)", nil),
                ("GET", "/channels/mine", nil), ("PATCH", "/channels/\(channel)", ["name": "x"]),
                ("POST", "/channels/\(channel)/disable", nil), ("DELETE", "/channels/\(channel)", nil),
                ("GET", "/channels/\(channel)/things", nil), ("PUT", "/channels/\(channel)/things/\(thing.id)", nil),
                ("DELETE", "/channels/\(channel)/things/\(thing.id)", nil),
            ] as [(String, String, JSONValue?)] {
                let answer = try await stranger.send(method, path, body)
                #expect(answer.status == 404, "\(method) \(path)")
            }
            let own = try await stranger.makeChannel()
            #expect(try await stranger.connect(thing.id, own).status == 404)
            let ownThing = try await stranger.makeThing()
            #expect(try await stranger.connect(ownThing.id, channel).status == 404)
            #expect(try await editor.get("/things/\(thing.id)").text("name") == "mine")
            #expect(try await editor.get("/channels/\(channel)/things").integer("total") == 1)
        }
    }

    @Test func theDocumentNamesEveryRoute() async throws {
        try await SharedStack.with { stack in
            let response = try await HTTPClient(port: stack.port).get("/openapi.json")
            #expect(response.status == 200)
            guard case .object(let document) = try response.json(JSONValue.self),
                case .object(let paths)? = document["paths"]
            else {
                Issue.record("no OpenAPI document")
                return
            }
            for path in ["/things", "/things/{id}/secret", "/channels/{id}/things", "/connect", "/disconnect"] {
                #expect(paths[path] != nil, "\(path)")
            }
        }
    }
}

/// One stack for the tests that only need a domain of their own, stopped with the last of them.
actor SharedStack {
    private static let shared = SharedStack()
    private var users = 0
    private var starting: Task<ThingsStack, any Error>?

    static func with(_ body: (ThingsStack) async throws -> Void) async throws {
        let stack = try await shared.enter()
        do {
            try await body(stack)
        } catch {
            await shared.leave()
            throw error
        }
        await shared.leave()
    }

    private func enter() async throws -> ThingsStack {
        users += 1
        let task = starting ?? Task { try await ThingsStack.start() }
        starting = task
        do {
            return try await task.value
        } catch {
            users -= 1
            throw error
        }
    }

    private func leave() async {
        users -= 1
        guard users == 0, let task = starting else { return }
        starting = nil
        await (try? task.value)?.stop()
    }
}
