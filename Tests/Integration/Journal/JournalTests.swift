// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Postgres
import TestKit
import Testing

/// The journal behind the services that feed it: every change and every refused attempt is there once, for those who may see it, and stays.
@Suite(.serialized) struct JournalTests {
    struct Page: Decodable {
        enum CodingKeys: String, CodingKey {
            case total, journals
            case nextCursor = "next_cursor"
        }
        let total: Int?
        let nextCursor: String?
        let journals: [Entry]
    }
    struct Entry: Decodable, Equatable {
        enum CodingKeys: String, CodingKey {
            case id, operation, result, status, reason, address, count, entities, credential
            case user = "user_id"
            case request = "request_id"
        }
        let id: String
        let operation: String
        let result: String
        let status: Int?
        let reason: String?
        let address: String?
        let count: Int?
        let entities: [String]
        let credential: String?
        let user: String?
        let request: String?
    }
    private struct Created: Decodable { let id: String }
    private struct Token: Decodable {
        enum CodingKeys: String, CodingKey { case accessToken = "access_token" }
        let accessToken: String
    }
    private static let json = ["Content-Type": "application/json"]

    private static func start() async throws -> Stack {
        try await Stack.start(settings: ["users": ["MARTLET_USERS_PASSWORD_COST": "10"]])
    }

    private func bearer(_ token: String) -> [String: String] { ["Authorization": "Bearer \(token)"] }

    private func create(_ client: HTTPClient, _ path: String, _ body: String) async throws -> String {
        try Stack.expect(201, await client.post(path, text: body, headers: Self.json), "POST \(path)")
            .json(Created.self).id
    }

    private func entries(_ client: HTTPClient, _ query: String) async throws -> [Entry] {
        try Stack.expect(200, await client.get("/journal?limit=100&\(query)"), query).json(Page.self).journals
    }

    @Test func aChangeSaysWhoWhenFromWhereAndWhat() async throws {
        let stack = try await Self.start()
        let token = try await stack.adminToken()
        let journal = stack.client("journal", headers: bearer(token))
        let things = stack.client("things", headers: bearer(token))
        let headers = Self.json.merging(["X-Forwarded-For": "203.0.113.7", "X-Request-Id": "shift-change-1"]) { $1 }
        let made = try await things.post("/things", text: #"{"name":"press"}"#, headers: headers)
        let thing = try Stack.expect(201, made, "make").json(Created.self).id
        try await eventually("the change is in the journal") {
            try await !entries(journal, "entity_id=\(thing)").isEmpty
        }
        let found = try await entries(journal, "entity_id=\(thing)")
        #expect(found.count == 1)
        let entry = try #require(found.first)
        #expect(entry.operation == "thing.created" && entry.result == "done" && entry.entities == [thing])
        #expect(entry.address == "203.0.113.7" && entry.request == "shift-change-1" && entry.credential == "session")
        // Who it was: the same journal by user, and by the path that names domain and entity.
        let user = try #require(entry.user)
        let own = try await journal.get("/journal/user/\(user)?operation=thing.created").json(Page.self)
        #expect(own.journals == [entry] && own.total == 1)
        let domain = try #require(await domain(of: thing, stack))
        let path = "/\(domain)/journal/thing/\(thing)?with_attributes=true"
        let byPath = try Stack.expect(200, await journal.get(path), path)
        #expect(try byPath.json(Page.self).journals == [entry] && byPath.text.contains(#""what":"created""#))
        #expect(try await journal.get("/\(domain)/journal/rocket/\(thing)").status == 404)
        try await stack.stop()
    }

    private func domain(of thing: String, _ stack: Stack) async throws -> String? {
        guard let thing = ThingID(thing) else { return nil }
        let rows = try await stack.database.execute("SELECT domain FROM things.things WHERE id = \(thing)")
        return try rows.first?.decode(DomainID.self, at: 0).description
    }

    @Test func refusedAttemptsAreThereWithTheirReason() async throws {
        let stack = try await Self.start()
        let token = try await stack.adminToken()
        let journal = stack.client("journal", headers: bearer(token))
        let things = stack.client("things", headers: bearer(token))
        let guessed = UUID().uuidString.lowercased()
        #expect(try await things.get("/things/\(guessed)").status == 404)
        #expect(try await things.post("/things", text: "{", headers: Self.json).status == 400)
        #expect(try await stack.client("things", headers: bearer("nonsense")).get("/channels").status == 401)
        // The same again and again is counted, not written each time.
        let wrong = #"{"identity":"nobody@example.com","secret":"guess 12345"}"#
        for _ in 0..<4 {
            #expect(
                try await stack.client("users").post("/users/tokens/issue", text: wrong, headers: Self.json).status
                    == 401)
        }
        try await eventually("the guess at an identifier is in the journal") {
            try await entries(journal, "entity_id=\(guessed)&result=refused").map(\.operation) == ["GET /things/{id}"]
        }
        try await eventually("every wrong password is counted") {
            let found = try await entries(journal, "result=refused&service=users").filter {
                $0.operation == "POST /users/tokens/issue" && $0.status == 401
            }
            return found.count <= 3 && found.map { $0.count ?? 1 }.reduce(0, +) == 4
        }
        let all = try await entries(journal, "result=refused&service=things")
        #expect(
            all.contains { $0.operation == "POST /things" && $0.status == 400 && $0.reason != nil && $0.user != nil })
        #expect(all.contains { $0.operation == "GET /channels" && $0.status == 401 && $0.user == nil })
        try await stack.stop()
    }

    @Test func eachSeesWhatIsTheirs() async throws {
        let stack = try await Self.start()
        let plain = stack.client("users", headers: bearer(try await stack.adminToken()))
        let domain = try await create(plain, "/domains", #"{"name":"plant"}"#)
        let admin = bearer(try await stack.adminToken(domain: domain))
        let users = stack.client("users", headers: admin)
        let login = #""identity":"viewer@example.com","secret":"torque wrench 17""#
        let person = try await create(users, "/users", "{\"name\":\"viewer\",\"credentials\":{\(login)}}")
        let assignment = #"{"user_ids":["\#(person)"],"role":"viewer"}"#
        try Stack.expect(
            201, await users.post("/domains/\(domain)/users/assign", text: assignment, headers: Self.json), "assign")
        func token(_ domain: String?) async throws -> [String: String] {
            let body = "{\(login)" + (domain.map { ",\"domain_id\":\"\($0)\"" } ?? "") + "}"
            let answer = try await stack.client("users").post("/users/tokens/issue", text: body, headers: Self.json)
            return bearer(try Stack.expect(201, answer, "log in").json(Token.self).accessToken)
        }
        let viewer = stack.client("journal", headers: try await token(domain))
        let forbidden = try await viewer.get("/journal")
        #expect(forbidden.status == 403 && forbidden.text.contains("action-not-granted"))
        #expect(try await viewer.get("/journal/export").status == 403)
        #expect(try await viewer.get("/journal/user/\(person)").status == 200)
        #expect(try await viewer.get("/journal/user/\(UUID())").status == 403)
        #expect(try await stack.client("journal").get("/journal").status == 401)

        // A custom role with the action sees the domain, and no other one.
        let role = try await create(
            users, "/domains/\(domain)/roles", #"{"name":"auditor","actions":["journal:audit"]}"#)
        let audit = #"{"user_ids":["\#(person)"],"role":"\#(role)"}"#
        try Stack.expect(
            201, await users.post("/domains/\(domain)/users/assign", text: audit, headers: Self.json), "make an auditor"
        )
        let inside = try await create(stack.client("things", headers: admin), "/things", #"{"name":"in"}"#)
        let elsewhere = bearer(try await stack.adminToken())
        let outside = try await create(stack.client("things", headers: elsewhere), "/things", #"{"name":"out"}"#)
        let auditor = stack.client("journal", headers: try await token(domain))
        let administrator = stack.client("journal", headers: elsewhere)
        try await eventually("both are in the journal") {
            let inThere = try await entries(administrator, "entity_id=\(inside)").count
            let outThere = try await entries(administrator, "entity_id=\(outside)").count
            return inThere == 1 && outThere == 1
        }
        #expect(try await entries(auditor, "entity_id=\(inside)").count == 1)
        #expect(try await entries(auditor, "entity_id=\(outside)").isEmpty)
        #expect(try await auditor.get("/\(UUID())/journal/thing/\(outside)").status == 404)
        #expect(try await entries(auditor, "domain_id=\(UUID())").isEmpty)
        // That the viewer was refused is known, too.
        try await eventually("the refused look at the journal is in it") {
            try await entries(auditor, "user=\(person)&result=refused&service=journal").contains {
                $0.operation == "GET /journal" && $0.status == 403
            }
        }
        try await stack.stop()
    }

    @Test func whoIsRemovedStaysInTheJournal() async throws {
        let stack = try await Self.start()
        let users = stack.client("users", headers: bearer(try await stack.adminToken()))
        let login = #""identity":"guest@example.com","secret":"torque wrench 17""#
        let person = try await create(users, "/users", "{\"name\":\"guest\",\"credentials\":{\(login)}}")
        let answer = try await users.post("/users/tokens/issue", text: "{\(login)}", headers: Self.json)
        let own = stack.client(
            "things", headers: bearer(try Stack.expect(201, answer, "log in").json(Token.self).accessToken))
        let thing = try await create(own, "/things", #"{"name":"press"}"#)
        try Stack.expect(204, await users.send("DELETE", "/users/\(person)"), "remove")
        let journal = stack.client("journal", headers: bearer(try await stack.adminToken()))
        try await eventually("the removal is in the journal") {
            try await entries(journal, "operation=user.removed").map(\.entities) == [[person]]
        }
        let administrator = try #require(await entries(journal, "operation=user.removed").first?.user)
        #expect(administrator != person)
        // What the person has done stays, and the domain that nobody can use any more is seen to be switched off.
        #expect(try await entries(journal, "entity_id=\(thing)").map(\.user) == [person])
        #expect(try await entries(journal, "user=\(person)&operation=session.created").count == 1)
        #expect(try await entries(journal, "operation=domain.disabled&service=users&user=\(administrator)").count == 1)
        try await stack.stop()
    }

    @Test func nothingIsMissingOrDoubledAfterCrashes() async throws {
        let stack = try await Self.start()
        let token = try await stack.adminToken()
        let things = stack.client("things", headers: bearer(token))
        var made: Set<String> = []
        for round in 0..<3 {
            try await stack.process("journal").kill()
            for _ in 0..<20 { made.insert(try await create(things, "/things", #"{"name":"\#(round)"}"#)) }
            try stack.launch("journal")
            for _ in 0..<20 { made.insert(try await create(things, "/things", #"{"name":"\#(round)"}"#)) }
            if round == 1 { try await stack.killAndRestart("bus") }
        }
        try await stack.waitUntilHealthy()
        let journal = stack.client("journal", headers: bearer(token))
        try await eventually("every change is there") {
            try await journal.get("/journal?operation=thing.created&limit=1").json(Page.self).total == made.count
        }
        // By pages, and as an export, both whole and in order.
        var seen: [String] = []
        var cursor = ""
        repeat {
            let path = "/journal?operation=thing.created&limit=17&dir=asc" + (cursor.isEmpty ? "" : "&cursor=\(cursor)")
            let page = try Stack.expect(200, await journal.get(path), path).json(Page.self)
            seen += page.journals.flatMap(\.entities)
            cursor = page.nextCursor ?? ""
        } while !cursor.isEmpty
        #expect(seen.count == made.count && Set(seen) == made)
        let exported = try await journal.get("/journal/export?operation=thing.created").text
        let lines = try exported.split(separator: "\n").map {
            try JSONDecoder().decode(Entry.self, from: Data($0.utf8))
        }
        #expect(lines.flatMap(\.entities) == seen)
        let table = try await journal.get("/journal/export?operation=thing.created&as=csv").text
        #expect(table.split(separator: "\r\n").count == made.count + 1)
        try await stack.stop()
    }

    @Test func whatIsWrittenStays() async throws {
        let stack = try await Self.start()
        let journal = stack.client("journal", headers: bearer(try await stack.adminToken()))
        try await eventually("the login is in the journal") { try await !entries(journal, "").isEmpty }
        let attempts: [SQL] = [
            "UPDATE journal.entries SET actor = NULL", "DELETE FROM journal.entries", "TRUNCATE journal.entries",
            "DELETE FROM journal.entry_entities",
        ]
        for attempt in attempts {
            await #expect(throws: PostgresError.self) { try await stack.database.execute(attempt) }
        }
        #expect(try await !entries(journal, "").isEmpty)
        for query in ["from=x", "cursor=%21", "result=maybe", "entity_id=1", "limit=101", "offset=1&cursor=MQ"] {
            #expect(try await journal.get("/journal?\(query)").status == 400, "\(query)")
        }
        #expect(try await journal.get("/journal?from=-1e300&to=1e300&address=%27%3B--").status == 200)
        try await stack.stop()
    }
}
