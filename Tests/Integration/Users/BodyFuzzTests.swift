// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// Well-formed JSON with known members of any type and content, to every route that the document says takes a body.
@Suite(.serialized) struct BodyFuzzTests {
    private struct Target: Sendable {
        var method: String
        var path: String
    }

    /// Every member that some body of the service knows, and two that none does.
    private static let members = [
        "name", "email", "password", "identity", "username", "secret", "credentials", "tags", "metadata", "domain_id",
        "refresh_token", "old_secret", "new_secret", "route", "alias", "user_ids", "role", "relation", "id",
        "__proto__", "token", "confirm_password", "old_password", "actions", "role_id", "role_ids", "members", "scopes",
        "type",
        "duration", "description", "invitee_user_id", "role_name",
    ]

    private static let texts = [
        "", " ", "a", "a@b", "admin", "viewer", "administrator", "long enough", "\u{0}", "\u{FFFF}", "\u{202E}x",
        "e\u{301}",
        "👩‍👩‍👧‍👦", "'; DROP TABLE users; --", "$scrypt$ln=99,r=8,p=3$x$y", "00000000-0000-0000-0000-000000000000", "%s%n",
        String(repeating: "x", count: 300), String(repeating: "é", count: 3_000), "../../etc", "*", ">", "#",
        UsersFixture.adminEmail, UsersFixture.adminPassword + "?",
    ]

    /// Where every body is good: nothing of it is needed.
    private static let mayTakeAll: Set<String> = ["/users/tokens/revoke"]

    private static func value(_ generator: inout SeededGenerator, depth: Int = 0) -> Any {
        switch Int.random(in: 0..<(depth < 4 ? 12 : 9), using: &generator) {
        case 0: return NSNull()
        case 1: return Bool.random(using: &generator)
        case 2: return [0, -1, 1, Int.max, Int.min].randomElement(using: &generator) ?? 0
        case 3: return [0.5, -0.0, 1e308, 1e-300].randomElement(using: &generator) ?? 0
        case 4: return UserID.new().description
        case 5...8: return texts.randomElement(using: &generator) ?? ""
        case 9:
            return (0..<Int.random(in: 0...40, using: &generator)).map { _ in value(&generator, depth: depth + 2) }
        default: return object(&generator, depth: depth + 1)
        }
    }

    private static func object(_ generator: inout SeededGenerator, depth: Int = 0) -> [String: Any] {
        var object: [String: Any] = [:]
        for _ in 0..<Int.random(in: 0...8, using: &generator) {
            let name = members.randomElement(using: &generator) ?? "name"
            // The expected type often enough for what is decoded to reach the rules behind it.
            switch (name, Bool.random(using: &generator)) {
            case (_, false): object[name] = value(&generator, depth: depth)
            case ("tags", _), ("user_ids", _):
                object[name] = (0..<3).map { _ in texts.randomElement(using: &generator) ?? "" }
            case ("metadata", _): object[name] = depth < 4 ? Self.object(&generator, depth: depth + 1) : [:]
            case ("credentials", _): object[name] = ["identity": "a", "secret": texts.randomElement(using: &generator)]
            default: object[name] = texts.randomElement(using: &generator) ?? ""
            }
        }
        return object
    }

    /// The routes with a body in the served document, with identifiers of what exists.
    private func targets(_ users: UsersFixture, user: String, domain: String) async throws -> [Target] {
        let answer = try await users.client.get("/openapi.json")
        let document = try #require(try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any])
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        var targets: [Target] = []
        for (path, operations) in paths.sorted(by: { $0.key < $1.key }) {
            for (method, operation) in operations.sorted(by: { $0.key < $1.key })
            where (operation as? [String: Any])?["requestBody"] != nil {
                let id = path.hasPrefix("/domains") ? domain : user
                targets.append(Target(method: method.uppercased(), path: UsersFixture.path(path, id: id)))
            }
        }
        // Last, because the others need the user.
        let removal = targets.partition { $0.method == "DELETE" && $0.path == "/users/\(user)" }
        #expect(removal == targets.count - 1)
        return targets
    }

    @Test func anyJSONGetsAnAnswerThatSaysWhatIsWrong() async throws {
        try await UsersFixture.with { users in
            // Users of their own, so that what a body happens to change takes nothing from the administrator.
            let victim = try await users.register("victim")
            let admin = try await users.admin()
            let domain = try #require(victim.default_domain)
            let targets = try await targets(users, user: victim.id, domain: domain)
            #expect(targets.count >= 9, "\(targets)")
            let seed = UInt64.random(in: .min ... .max)
            var generator = SeededGenerator(seed: seed)
            var token = admin
            for target in targets {
                var refused = 0
                for _ in 0..<60 {
                    let body = try JSONSerialization.data(withJSONObject: Self.object(&generator))
                    let answer = try await users.client.send(
                        target.method, target.path, headers: token.bearerJSON, body: Array(body))
                    let what: Comment =
                        "seed \(seed): \(target.method) \(target.path) \(String(decoding: body, as: UTF8.self)): \(answer.text)"
                    #expect((200..<500).contains(answer.status), what)
                    guard answer.status >= 400 else { continue }
                    refused += 1
                    #expect(answer.headers["content-type"] == "application/problem+json", what)
                    let problem = try? answer.json(ProblemBody.self)
                    #expect(problem?.status == answer.status && problem?.reason.isEmpty == false, what)
                    #expect(problem?.detail.isEmpty == false, what)
                    #expect(problem?.reason != "invalid-token" && problem?.reason != "no-credentials", what)
                }
                // A session that a body ended is replaced: the next route is reached with a right of its own.
                token = try await users.admin()
                if Self.mayTakeAll.contains(target.path) == false {
                    #expect(refused > 0, "\(target.method) \(target.path) took everything")
                }
            }
        }
    }
}
