// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// Each with the status and reason that the README names, a counter of that reason, and nothing stored.
@Suite("HTTP adapter: refusing")
struct RefusalTests {
    private func expect(
        _ request: String, _ status: Int, _ reason: String, in stack: AdapterStack,
        location: SourceLocation = #_sourceLocation
    ) async throws -> RawConnection.Response {
        let before = stack.refused(reason)
        let response = try await stack.answer(to: request)
        #expect(response.status == status, "\(response.body)", sourceLocation: location)
        #expect(response.reason == reason, sourceLocation: location)
        #expect(response.fields["content-type"] == "application/problem+json", sourceLocation: location)
        #expect(response.member("type") == "urn:martlet:problem:\(reason)", sourceLocation: location)
        #expect(response.member("status") == "\(status)", sourceLocation: location)
        #expect(response.member("error") == response.member("detail"), sourceLocation: location)
        #expect(response.member("title")?.isEmpty == false, sourceLocation: location)
        #expect(stack.refused(reason) == before + 1, sourceLocation: location)
        return response
    }

    @Test("payloads that are not what their content type says")
    func payloads() async throws {
        try await withAdapter { stack in
            let senml: [(String, String)] = [
                (#"[{"n":"a","v":1}"#, "senml-json-truncated"),
                (#"[{"bver":11,"n":"a","v":1}]"#, "senml-version"),
                (#"[{"n":"a","v":1},{"n":"b","v":2,"foo_":1}]"#, "senml-reserved-label"),
                (#"[{"n":"a","v":NaN}]"#, "senml-number-out-of-range"),
                (#"[{"n":"a","v":1e999}]"#, "senml-number-out-of-range"),
                (#"{"n":"a","v":1}"#, "senml-not-an-array"),
                ("", "senml-json-truncated"),
            ]
            for (body, reason) in senml {
                let response = try await expect(stack.request(body: body), 400, reason, in: stack)
                if reason == "senml-reserved-label" {
                    #expect(response.member("detail")?.contains("record 1") == true)
                    #expect(response.member("detail")?.contains("foo_") == true)
                }
            }
            _ = try await expect(
                stack.request(contentType: "application/json", body: #"{"a":1,}"#), 400, "json-syntax", in: stack)
            _ = try await expect(
                stack.request(contentType: "application/senml+cbor", body: "["), 400, "senml-cbor-truncated", in: stack)
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test("content types and codings")
    func contentTypes() async throws {
        try await withAdapter { stack in
            _ = try await expect(stack.request(contentType: nil), 415, "content-type-missing", in: stack)
            for type in ["senml", "application/", "a/b/c", ""] {
                _ = try await expect(stack.request(contentType: type), 415, "content-type-unusable", in: stack)
            }
            _ = try await expect(
                stack.request(fields: ["Content-Encoding: gzip"]), 415, "content-encoding", in: stack)
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test("paths, wildcards among them")
    func paths() async throws {
        try await withAdapter { stack in
            let refusals: [(String, Int, String)] = [
                ("/", 404, "path-unknown"), ("/channels/\(stack.things.channel)", 404, "path-unknown"),
                ("/channels/%20/messages", 400, "path-channel"), ("/m/%20/c/x", 400, "path-domain"),
                (stack.path + "/a/*", 400, "path-wildcard"), (stack.path + "/%3E", 400, "path-wildcard"),
                (stack.path + "/+/b", 400, "path-wildcard"), (stack.path + "/%23", 400, "path-wildcard"),
                (stack.path + "/a.b", 400, "path-dot"), (stack.path + "/a%20b", 400, "path-space"),
                (stack.path + "/%0d%0aX", 400, "path-control-character"),
                (stack.path + "/%zz", 400, "path-percent-encoding"),
                (stack.path + "/%ff", 400, "path-utf8"),
                (stack.path + String(repeating: "/a", count: 40), 400, "path-too-deep"),
                (stack.path + "/" + String(repeating: "a", count: 600), 400, "path-too-long"),
            ]
            for (path, status, reason) in refusals {
                _ = try await expect(stack.request(path: path), status, reason, in: stack)
            }
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test("who may not")
    func authorization() async throws {
        try await withAdapter { stack in
            _ = try await expect(stack.request(key: "nobody's"), 401, "unknown-key", in: stack)
            let unauthorized = try await expect(
                "POST \(stack.path) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 401, "missing-credential",
                in: stack)
            #expect(unauthorized.fields["www-authenticate"] != nil)
            for field in ["Bearer abc", "Basic ***", "Basic \(Data("nocolon".utf8).base64EncodedString())"] {
                let text =
                    "POST \(stack.path) HTTP/1.1\r\nHost: a\r\nAuthorization: \(field)\r\nContent-Length: 0\r\n\r\n"
                _ = try await expect(text, 401, "malformed-credential", in: stack)
            }
            let stranger = Data("\(ThingID.new()):\(stack.things.publisher.key)".utf8).base64EncodedString()
            let text =
                "POST \(stack.path) HTTP/1.1\r\nHost: a\r\nAuthorization: Basic \(stranger)\r\nContent-Type: a/b\r\nContent-Length: 0\r\n\r\n"
            _ = try await expect(text, 401, "key-of-another-thing", in: stack)
            _ = try await expect(stack.request(key: stack.things.listener.key), 403, "publish-not-allowed", in: stack)
            _ = try await expect(
                stack.request(path: "/channels/\(ChannelID.new())/messages"), 404, "unknown-channel", in: stack)
            _ = try await expect(
                stack.request(path: "/m/\(DomainID.new())/c/\(stack.things.channel)"), 404, "unknown-channel", in: stack
            )
            // A key in the query is no key.
            _ = try await expect(
                "POST \(stack.path)?authorization=\(stack.things.publisher.key) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
                401, "missing-credential", in: stack)
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test("a right is asked for once, remembered, and taken back by an event")
    func revocation() async throws {
        try await withAdapter { stack in
            for _ in 0..<10 { #expect(try await stack.answer(to: stack.request()).status == 202) }
            let asked = stack.things.questions
            for _ in 0..<10 { #expect(try await stack.answer(to: stack.request()).status == 202) }
            #expect(stack.things.questions == asked)
            try await stack.things.disablePublisher()
            try await eventually("the key is refused") {
                try await stack.answer(to: stack.request()).reason == "unknown-key"
            }
        }
    }

    @Test("header fields and methods")
    func fields() async throws {
        try await withAdapter { stack in
            for key in ["\"\"", "\"open", "a b", String(repeating: "k", count: 300), "\"\\x\"", "a,b", "caf\u{e9}"] {
                _ = try await expect(
                    stack.request(fields: ["Idempotency-Key: \(key)"]), 400, "idempotency-key", in: stack)
            }
            _ = try await expect(stack.request(fields: ["Content-Type: a/b"]), 400, "field-repeated", in: stack)
            _ = try await expect(stack.request(fields: ["Host: b"]), 400, "field-repeated", in: stack)
            _ = try await expect(
                "GET /health HTTP/1.1\r\n\r\n", 400, "host-missing", in: stack)
            _ = try await expect(stack.request(fields: ["Expect: tea"]), 417, "expectation", in: stack)
            for method in ["PUT", "DELETE", "PATCH"] {
                let response = try await expect(stack.request(method), 405, "method-not-allowed", in: stack)
                #expect(response.fields["allow"] == "GET, POST, OPTIONS")
            }
            let response = try await expect(
                "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, "method-not-allowed", in: stack)
            #expect(response.fields["allow"] == "GET, HEAD, OPTIONS")
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test("a rate limit says when to come again")
    func rate() async throws {
        try await withAdapter(["thing-messages-per-second": "1"]) { stack in
            let responses = try await stack.exchange(
                String(repeating: stack.request(), count: 30), responses: 30)
            let refused = responses.filter { $0.status == 429 }
            #expect(responses.first?.status == 202)
            #expect(!refused.isEmpty)
            #expect(
                refused.allSatisfy { $0.reason == "thing-rate-limit" && Int($0.fields["retry-after"] ?? "") ?? 0 > 0 })
        }
    }
}
