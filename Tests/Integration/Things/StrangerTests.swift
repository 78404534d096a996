// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import TestKit
import Testing

/// What a stranger, or a clumsy client, tries in a day: never another tenant's data, never a 5xx.
@Suite struct StrangerTests {
    @Test func whatTheServiceDecidesCannotBeAssigned() async throws {
        try await SharedStack.with { stack in
            let domain = DomainID.new()
            let person = try await stack.person(in: domain)
            let foreign = DomainID.new()
            let claims: JSONValue = [
                "name": "mine", "owner": .string(UserID.new().description), "domain_id": .string(foreign.description),
                "domain": .string(foreign.description), "status": "disabled", "is_enabled": false,
                "created_at": "1999-01-01T00:00:00Z", "created_by": .string(UserID.new().description),
                "updated_at": "1999-01-01T00:00:00Z", "folded_name": "x", "path": [],
            ]
            for path in ["/things", "/channels", "/groups"] {
                let created = try await person.post(path, claims)
                #expect(created.status == 201)
                let id = try #require(created.text("id"))
                for method in ["PATCH", "PUT"] {
                    var changed = claims
                    if case .object(var members) = claims {
                        members["id"] = .string(ThingID.new().description)
                        changed = .object(members)
                    }
                    #expect(try await person.send(method, "\(path)/\(id)", changed).status == 200)
                }
                let viewed = try await person.get("\(path)/\(id)")
                #expect(viewed.text("id") == id)
                #expect(viewed.text("domain_id") == domain.description)
                #expect(viewed.text("created_by") == person.user.description)
                #expect(viewed.text("updated_by") == person.user.description)
                #expect(viewed.text("created_at")?.hasPrefix("1999") == false)
                if path != "/groups" { #expect(viewed.text("status") == "enabled") }
            }
            let stranger = try await stack.person(.admin, in: foreign)
            #expect(try await stranger.get("/things").integer("total") == 0)
        }
    }

    @Test func anIdentifierOfAnotherDomainSaysNothing() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let stranger = try await stack.person(.admin, in: .new())
            let thing = try await person.makeThing()
            let group = try #require(try await person.post("/groups", ["name": "g"]).text("id"))
            // The same answer as for one that nobody has.
            for id in [thing.id, .new()] {
                let answer = try await stranger.get("/things/\(id)")
                #expect(answer.status == 404)
                #expect(answer.reason == "unknown-thing")
            }
            #expect(try await stranger.post("/things", ["id": .string(thing.id.description)]).status == 409)
            #expect(try await stranger.get("/groups/\(group)/things").reason == "unknown-group")
            #expect(
                try await stranger.post(
                    "/groups/\(group)/users/assign",
                    ["user_ids": [.string(stranger.user.description)], "relation": "administrator"]
                ).status == 404)
            let own = try #require(try await stranger.post("/groups", ["name": "own"]).text("id"))
            #expect(
                try await stranger.post(
                    "/groups/\(own)/members", ["type": "things", "members": [.string(thing.id.description)]]
                ).reason == "unknown-thing")
            for id in ["x", "..", "%00", "%2e%2e", String(repeating: "a", count: 4_000), "null", "-1", "'--"] {
                for path in ["/things/\(id)", "/channels/\(id)", "/groups/\(id)", "/groups/\(id)/members"] {
                    let status = try await person.get(path).status
                    #expect((400..<500).contains(status), "\(path.prefix(40)): \(status)")
                }
            }
        }
    }

    @Test func anyTextIsKeptAsItIsOrRefused() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let texts = [
                "Ölfass №7", "温度センサー", "a\u{301}", "á", "👩‍👩‍👧", "\u{202E}txet", "İstanbul", "ẞtraße", "line\nbreak\ttab",
                "\u{FEFF}mark", "\u{10FFFF}", "%_\\", "'; DROP TABLE things; --", String(repeating: "ⱥ", count: 341),
                String(repeating: "Ⱥ", count: 512), String(repeating: "\u{1F600}", count: 256),
            ]
            for text in texts {
                let created = try await person.post("/things", ["name": .string(text)])
                #expect(created.status == 201, "\(text)")
                #expect(created.text("name").map { Array($0.utf8) } == Array(text.utf8))
            }
            // Composed and decomposed are two names, and two tags.
            let tagged = try await person.post("/things", ["tags": ["a\u{301}", "🏷"]])
            #expect(tagged.status == 201)
            #expect(try await person.get("/things?tag=a%CC%81").integer("total") == 1)
            #expect(try await person.get("/things?tag=%C3%A1").integer("total") == 0)
            #expect(try await person.get("/things?name=%25_%5C").integer("total") == 1)
            #expect(try await person.get("/things?name=STRASSE").status == 200)

            // Long names in cursors.
            var seen = 0
            var path = "/things?order=name&limit=1"
            while true {
                let page = try await person.get(path)
                #expect(page.status == 200)
                seen += page.list("things").count
                guard let cursor = page.text("next_cursor") else { break }
                path = "/things?order=name&limit=1&cursor=\(cursor)"
            }
            #expect(seen == texts.count + 1)

            for body in [
                #"{"name":"\ud800"}"#, #"{"name":"\u0000"}"#, #"{"tags":["\udfff"]}"#, #"{"metadata":{"a":"\u0000"}}"#,
                #"{"metadata":{"a\u0000":1}}"#, #"{"metadata":{"a":1e999}}"#, #"{"name":"a","name":"b"}"#,
                #"{"metadata":{"a":123456789012345678901234567890}}"#, #"{"metadata":{"a":1.7976931348623157e308}}"#,
                "{\"name\":\"\u{1}\"}", #"{"metadata":{"":{"":[]}}}"#, #"{"metadata":null,"tags":null,"name":null}"#,
            ] {
                for path in ["/things", "/channels"] {
                    let status = try await person.send(
                        "POST", path, bytes: Array(body.utf8), contentType: "application/json"
                    ).status
                    #expect(status == 201 || status == 400 || status == 422, "\(body): \(status)")
                }
            }
            let invalid = try await person.send(
                "POST", "/things", bytes: Array(#"{"name":""#.utf8) + [0xFF, 0xC0] + Array(#""}"#.utf8),
                contentType: "application/json")
            #expect(invalid.status == 400)
        }
    }

    @Test func metadataIsBounded() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let thing = try await person.makeThing().id
            for (depth, status) in [(29, 200), (40, 400), (20_000, 400)] {
                let text = String(repeating: #"{"a":"#, count: depth) + "1" + String(repeating: "}", count: depth)
                let answer = try await person.send(
                    "PATCH", "/things/\(thing)", bytes: Array(#"{"metadata":\#(text)}"#.utf8),
                    contentType: "application/json")
                #expect(answer.status == status, "\(depth) levels")
            }
            let wide = JSONValue.object(
                Dictionary(uniqueKeysWithValues: (0..<4_000).map { ("key-\($0)", .integer(Int64($0))) }))
            #expect(try await person.patch("/things/\(thing)", ["metadata": wide]).status == 200)
            #expect(try await person.get("/things?metadata=%7B%22key-3999%22:3999%7D").integer("total") == 1)
            let large: JSONValue = ["text": .string(String(repeating: "x", count: 70_000))]
            #expect(try await person.patch("/things/\(thing)", ["metadata": large]).reason == "metadata-too-large")
            // Strings that take six bytes a character in JSON.
            let escaped = String(repeating: "\u{1}", count: 10_000)
            #expect(
                try await person.patch("/things/\(thing)", ["metadata": ["t": .string(escaped)]]).status == 200)
        }
    }

    @Test func whatChangesMeanwhileEndsInOneOfTheTwoOrders() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            for _ in 0..<10 {
                let thing = try await person.makeThing().id
                let channel = try await person.makeChannel()
                async let connected = person.connect(thing, channel).status
                async let removed = person.delete("/things/\(thing)").status
                async let changed = person.patch("/things/\(thing)", ["name": "late"]).status
                async let rotated = person.patch("/things/\(thing)/secret", [:]).status
                let (connecting, removing, changing, rotating) = try await (connected, removed, changed, rotated)
                #expect(removing == 204)
                #expect([200, 404, 409].contains(connecting))
                #expect(changing == 200 || changing == 404)
                #expect([200, 404, 409].contains(rotating))
                #expect(try await person.get("/channels/\(channel)/things").integer("total") == 0)
                #expect(try await person.get("/things/\(thing)").status == 404)
            }
        }
    }

    @Test func aLongListIsPagedToItsEnd() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let names = (0..<1_000).map { JSONValue.object(["name": .string("n\($0)"), "tags": ["all"]]) }
            for _ in 0..<3 { #expect(try await person.post("/things/bulk", .array(names)).status == 201) }
            for filter in ["", "&tag=all", "&name=n", "&metadata=%7B%7D"] {
                var seen: Set<String> = []
                var offset = 0
                while true {
                    let page = try await person.get("/things?limit=100&offset=\(offset)\(filter)")
                    let identifiers = page.list("things").compactMap { $0.text("id") }
                    #expect(page["total_is_exact"] == .bool(true))
                    #expect(page.integer("total") == 3_000)
                    seen.formUnion(identifiers)
                    offset += identifiers.count
                    if identifiers.isEmpty { break }
                }
                #expect(seen.count == 3_000, "\(filter)")
            }
            #expect(try await person.get("/things?offset=1000001").status == 400)
            #expect(try await person.get("/things?offset=1000000").list("things").isEmpty)
        }
    }
}
