// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Identity
import TestKit
import Testing

/// Bad input gets a precise problem document, and never a 5xx.
@Suite(.serialized) struct BadInputTests {
    private struct Case {
        var method: String
        var path: String
        var body: String
        var headers: [String: String]
        var status: Int
        var reason: String

        init(
            _ method: String, _ path: String, headers: [String: String] = ["Content-Type": "application/json"],
            _ status: Int, _ reason: String
        ) {
            self.init(method, path, "", headers: headers, status, reason)
        }

        init(
            _ method: String, _ path: String, _ body: String,
            headers: [String: String] = ["Content-Type": "application/json"], _ status: Int, _ reason: String
        ) {
            self.method = method
            self.path = path
            self.body = body
            self.headers = headers
            self.status = status
            self.reason = reason
        }
    }

    private static let issue = "/users/tokens/issue"

    private static var loginCases: [Case] {
        let long = String(repeating: "x", count: 2_000)
        return [
            Case("POST", issue, "{", 400, "malformed-json"),
            Case("POST", issue, "", 400, "empty-body"),
            Case("POST", issue, "[]", 400, "wrong-type"),
            Case("POST", issue, "{}", 400, "missing-field"),
            Case("POST", issue, #"{"identity":"a"}"#, 400, "missing-field"),
            Case("POST", issue, #"{"identity":1,"secret":"x"}"#, 400, "wrong-type"),
            Case("POST", issue, #"{"identity":"","secret":"x"}"#, 400, "invalid-value"),
            Case("POST", issue, #"{"identity":"a","secret":"\#(long)"}"#, 400, "invalid-value"),
            Case("POST", issue, #"{"identity":"a\u0000","secret":"x"}"#, 400, "nul-character"),
            Case("POST", issue, #"{"identity":"a","secret":"x","domain_id":"y"}"#, 400, "invalid-value"),
            Case("POST", issue, String(repeating: "[", count: 200), 400, "json-too-deep"),
            Case("POST", issue, "{}", headers: ["Content-Type": "text/plain"], 415, "not-json"),
            Case("POST", issue, "{}", headers: [:], 415, "not-json"),
            Case("GET", issue, 405, "method-not-allowed"),
            Case("POST", "/users/tokens/refresh", headers: [:], 401, "no-credentials"),
            Case("POST", "/users/tokens/refresh", headers: ["Authorization": "Bearer x"], 401, "invalid-refresh-token"),
            Case("POST", "/users/tokens/revoke", headers: [:], 401, "no-credentials"),
            Case("GET", "/users/profile", 401, "no-credentials"),
            Case("GET", "/users/profile", headers: ["Authorization": "Basic YTpi"], 401, "wrong-scheme"),
            Case("GET", "/users/profile", headers: ["Authorization": "Bearer x.y.z"], 401, "invalid-token"),
            Case("PUT", "/users/profile", "{}", 405, "method-not-allowed"),
            Case("GET", "/nothing/here", 404, "no-such-route"),
        ]
    }

    /// With an administrator's token; `id` is the administrator's.
    private static func authorizedCases(_ id: String) -> [Case] {
        let long = String(repeating: "x", count: 2_000)
        let domain = "/domains/\(DomainID.new())"
        return [
            Case("GET", "/users/not-a-uuid", 400, "invalid-identifier"),
            Case("GET", "/users/\(UserID.new())", 404, "unknown-user"),
            Case("POST", "/users/\(UserID.new())/disable", 404, "unknown-user"),
            Case("POST", "/users/\(id)/disable", 422, "own-account"),
            Case("GET", "/users?limit=0", 400, "invalid-parameter"),
            Case("GET", "/users?limit=101", 400, "invalid-parameter"),
            Case("GET", "/users?offset=-1", 400, "invalid-parameter"),
            Case("GET", "/users?offset=1&offset=2", 400, "repeated-parameter"),
            Case("GET", "/users?metadata=%7B", 400, "malformed-json"),
            Case("GET", "/users?metadata=1", 400, "invalid-parameter"),
            Case("GET", "/users?name=%00", 400, "nul-character"),
            Case("GET", "/users?name=%zz", 400, "broken-escape"),
            Case("GET", "/users?cursor=%22", 400, "invalid-parameter"),
            Case("GET", "/users?cursor=YWJj", 400, "invalid-parameter"),
            Case("GET", "/users?status=gone", 400, "invalid-parameter"),
            Case("GET", "/users?name=" + String(repeating: "x", count: 9_000), 400, "query-too-long"),
            Case("POST", "/users", #"{"email":"no at sign","password":"long enough"}"#, 400, "invalid-identity"),
            Case("POST", "/users", #"{"email":"noatsign","password":"long enough"}"#, 400, "invalid-email"),
            Case("POST", "/users", #"{"email":"a@b","password":"short"}"#, 400, "weak-secret"),
            Case("POST", "/users", #"{"email":"a@b"}"#, 400, "missing-field"),
            Case("POST", "/users", #"{"credentials":{"identity":"x"}}"#, 400, "missing-field"),
            Case(
                "POST", "/users", #"{"email":"a@b","password":"long enough","metadata":[1]}"#, 400, "invalid-metadata"),
            Case("POST", "/users", #"{"email":"a@b","password":"long enough","tags":[""]}"#, 400, "invalid-tags"),
            Case(
                "POST", "/users", #"{"email":"a@b","password":"long enough","name":"\#(long)"}"#, 400, "name-too-long"),
            Case("PATCH", "/users/\(id)", #"{"metadata":"x"}"#, 400, "invalid-metadata"),
            Case("POST", "/domains", #"{}"#, 400, "missing-field"),
            Case("POST", "/domains", #"{"name":""}"#, 400, "missing-field"),
            Case("GET", "/domains/x", 400, "invalid-identifier"),
            Case("GET", domain, 404, "unknown-domain"),
            Case("POST", domain + "/users/assign", #"{"user_ids":["x"],"role":"viewer"}"#, 400, "invalid-value"),
        ]
    }

    private func check(_ bad: Case, _ users: UsersFixture, _ token: TokenPair?) async throws {
        let headers = bad.headers.merging(token?.bearer ?? [:]) { given, _ in given }
        let answer = try await users.client.send(bad.method, bad.path, headers: headers, body: Array(bad.body.utf8))
        let what = "\(bad.method) \(bad.path.prefix(80)) \(bad.body.prefix(80)): \(answer.text)"
        #expect(answer.status == bad.status, "\(what)")
        #expect(answer.headers["content-type"] == "application/problem+json", "\(what)")
        let problem = try? answer.json(ProblemBody.self)
        #expect(problem?.reason == bad.reason, "\(what)")
        #expect(problem?.status == bad.status && problem?.error == problem?.detail, "\(what)")
    }

    @Test func eachMistakeIsNamed() async throws {
        try await UsersFixture.with { users in
            for bad in Self.loginCases { try await check(bad, users, nil) }
            let admin = try await users.admin()
            let me: EntityBody = try users.expect(
                200, await users.client.get("/users/profile", headers: admin.bearer)
            ).json()
            for bad in Self.authorizedCases(me.id) { try await check(bad, users, admin) }
            #expect(try await users.client.get(Self.issue).headers["allow"] == "POST")
        }
    }

    @Test func aBodyThatIsTooLargeIsRefused() async throws {
        try await UsersFixture.with { (users: UsersFixture) async throws in
            let body = [UInt8](repeating: UInt8(ascii: " "), count: 10 << 20)
            // The answer may come before the body was sent in full; the client then sees either it or a closed connection.
            if let answer = try? await users.client.send(
                "POST", Self.issue, headers: ["Content-Type": "application/json"], body: body)
            {
                #expect(answer.status == 413)
            }
            #expect(try await users.client.get("/health").status == 200)
        }
    }

    @Test func garbageIsNeverOurFault() async throws {
        try await UsersFixture.with { users in
            let admin = try await users.admin()
            let seed = UInt64.random(in: .min ... .max)
            var generator = SeededGenerator(seed: seed)
            let paths = [
                "/users", "/tokens", Self.issue, "/users/tokens/refresh", "/users/tokens/revoke", "/domains",
                "/users/secret", "/domains/\(DomainID.new())", "/users/\(UserID.new())", "/users/%00", "/users/%ff%fe",
                "/domains/\(DomainID.new())/users/assign", "/users/..%2f..", "/domains/*",
            ]
            let pieces = [
                "{", "}", "[", "]", ":", ",", "\"", "name", "identity", "secret", "metadata", "credentials", "tags",
                "null", "1e999", "-0", "99999999999999999999999", "\\ud800", "\\u0000", "true", "\u{0}", "é", "email",
                "password", "user_ids", "a@b", "refresh_token", "domain_id",
            ]
            for _ in 0..<400 {
                let count = Int.random(in: 0...24, using: &generator)
                let body = (0..<count).map { _ in pieces[Int.random(in: 0..<pieces.count, using: &generator)] }.joined()
                let path = paths[Int.random(in: 0..<paths.count, using: &generator)]
                let method = ["GET", "POST", "PUT", "PATCH", "DELETE"][Int.random(in: 0..<5, using: &generator)]
                let headers = Bool.random(using: &generator) ? admin.bearerJSON : ["Content-Type": "application/json"]
                let query = Bool.random(using: &generator) ? "?limit=\(count)&name=%\(count)&metadata={" : ""
                let answer = try await users.client.send(method, path + query, headers: headers, body: Array(body.utf8))
                #expect((200..<500).contains(answer.status), "seed \(seed): \(method) \(path) \(body): \(answer.text)")
            }
        }
    }

    @Test func theDocumentDescribesWhatIsServed() async throws {
        try await UsersFixture.with { users in
            let answer = try await users.client.get("/openapi.json")
            let document = try #require(try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any])
            #expect(document["openapi"] as? String == "3.1.0")
            let paths = try #require(document["paths"] as? [String: [String: Any]])
            #expect(paths.count >= 18)
            for (path, operations) in paths {
                let concrete = UsersFixture.path(path, id: UserID.new().description)
                for method in operations.keys {
                    // Without credentials a route that is there answers with anything but 404 and 405.
                    let answer = try await users.client.send(method.uppercased(), concrete)
                    #expect(answer.status != 404 && answer.status != 405, "\(method) \(path): \(answer.status)")
                    let operation = try #require(operations[method] as? [String: Any])
                    let responses = try #require(operation["responses"] as? [String: Any])
                    #expect(responses["\(answer.status)"] != nil, "\(method) \(path): \(answer.status) is undocumented")
                }
            }
        }
    }

    @Test func healthAndMetricsTellOfTheService() async throws {
        try await UsersFixture.with { users in
            _ = try await users.admin()
            let health = try await users.client.get("/health")
            #expect(health.headers["content-type"] == "application/health+json")
            #expect(health.text.contains(#""postgres":[{"status":"pass""#))
            #expect(health.text.contains(#""bus":[{"status":"pass""#))
            let metrics = try await users.client.get("/metrics").text
            #expect(metrics.contains(#"method="POST",route="/users/tokens/issue",status="201"} 1"#))
            #expect(metrics.contains(#"martlet_users_logins_total{outcome="succeeded"} 1"#))
            _ = try await users.client.get("/no/such/\(UserID.new())")
            #expect(try await users.client.get("/metrics").text.contains(#"route="NotFound",status="404"} 1"#))
            let traced = try await users.client.get("/health", headers: ["X-Request-Id": "my-id_1"])
            #expect(traced.headers["x-request-id"] == "my-id_1")
            let hostile = try await users.client.get("/health", headers: ["X-Request-Id": "a b\"c"])
            #expect(hostile.headers["x-request-id"]?.contains(" ") == false)
        }
    }
}
