// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import ServiceKit
import TestKit
import Testing

@testable import HTTPKit

@Suite struct HTTPInputTests {
    private func reason(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return (error as? ServiceError)?.reason ?? "\(error)"
        }
    }

    private struct Example: Decodable {
        struct Inner: Decodable { var count: Int }
        var name: String
        var inner: Inner?
        var id: UserID?
    }

    @Test(arguments: [
        ("", "empty-body"), ("{", "malformed-json"), ("nul", "malformed-json"), ("[]", "wrong-type"),
        ("{}", "missing-field"),
        (#"{"name":1}"#, "wrong-type"), (#"{"name":null}"#, "missing-field"),
        (#"{"name":"a","inner":{"count":"1"}}"#, "wrong-type"),
        (#"{"name":"a","id":"x"}"#, "invalid-value"), (#"{"name":"a\u0000"}"#, "nul-character"),
        ("\u{FEFF}{", "malformed-json"),
        (#"{"name":"a","inner":{"count":1e400}}"#, "malformed-json"),
    ])
    func badJSONIsRefusedWithItsReason(_ text: String, _ expected: String) {
        let found = reason { _ = try JSONBody.decode(Example.self, from: Array(text.utf8)) }
        #expect(
            found == expected || (expected == "malformed-json" && found == "wrong-type")
                || (expected == "malformed-json" && found == "invalid-value"))
    }

    @Test func theRefusalNamesThePlace() throws {
        let error = #expect(throws: ServiceError.self) {
            try JSONBody.decode(Example.self, from: Array(#"{"name":"a","inner":{"count":"1"}}"#.utf8))
        }
        #expect(error?.message == "'inner.count' must be an integer")
    }

    @Test func depthIsLimitedAndStringsAreNotCounted() throws {
        let deep = String(repeating: "[", count: Limits.jsonDepth + 1)
        #expect(reason { _ = try JSONBody.decode(JSONValue.self, from: Array(deep.utf8)) } == "json-too-deep")
        let fine = String(repeating: "[", count: Limits.jsonDepth) + String(repeating: "]", count: Limits.jsonDepth)
        #expect(reason { _ = try JSONBody.decode(JSONValue.self, from: Array(fine.utf8)) } == nil)
        let text = #"{"name":"\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}"#
        #expect(reason { _ = try JSONBody.decode(JSONValue.self, from: Array(text.utf8)) } == nil)
        // An escaped backslash before u0000 is no NUL.
        let escaped = #"{"name":"\\u0000"}"#
        #expect(try JSONBody.decode(Example.self, from: Array(escaped.utf8)).name == #"\u0000"#)
    }

    @Test func randomBytesNeverTrap() {
        var generator = SeededGenerator(seed: 20_261_121)
        let alphabet = Array(#"{}[]":,\u0eE+-.truefalsn 19"#.utf8) + [0, 0xFF, 0xC3]
        for _ in 0..<20_000 {
            let length = Int.random(in: 0...40, using: &generator)
            let bytes = (0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }
            _ = try? JSONBody.decode(JSONValue.self, from: bytes)
        }
    }

    @Test func queriesAreReadStrictly() throws {
        let query = try QueryParameters(query: "name=a%20b+c&limit=5&empty=&flag")
        #expect(query["name"] == "a b c" && query["empty"]?.isEmpty == true && query["flag"]?.isEmpty == true)
        #expect(try query.integer("limit", in: 1...10) == 5)
        #expect(try query.integer("absent", in: 1...10) == nil)
        #expect(reason { _ = try QueryParameters(query: "a=1&a=2") } == "repeated-parameter")
        #expect(reason { _ = try QueryParameters(query: "a=1&%61=2") } == "repeated-parameter")
        #expect(reason { _ = try QueryParameters(query: "a=%zz") } == "broken-escape")
        #expect(reason { _ = try QueryParameters(query: "a=%00") } == "nul-character")
        for text in ["0", "11", "x", "", "99999999999999999999", "1.5"] {
            #expect(
                reason { _ = try QueryParameters(query: "n=\(text)").integer("n", in: 1...10) } == "invalid-parameter")
        }
        for text in ["nan", "inf", "x", ""] {
            #expect(reason { _ = try QueryParameters(query: "n=\(text)").number("n") } == "invalid-parameter")
        }
        #expect(try QueryParameters(query: "n=0").number("n") == 0)
        #expect(try QueryParameters(query: "b=false").boolean("b") == false)
    }

    @Test func pagesHaveMainfluxsDefaultsAndLimits() throws {
        #expect(try PageRequest(QueryParameters(query: "")) == PageRequest(start: .offset(0), limit: 10))
        #expect(
            try PageRequest(QueryParameters(query: "limit=100&offset=20"))
                == PageRequest(start: .offset(20), limit: 100))
        for query in [
            "limit=0", "limit=101", "offset=-1", "limit=a", "cursor=%21", "cursor=YQ&offset=1", "offset=99999999",
        ] {
            #expect(reason { _ = try PageRequest(QueryParameters(query: query)) } == "invalid-parameter", "\(query)")
        }
        let cursor = PageRequest.encodeCursor("0190-é")
        #expect(try PageRequest(QueryParameters(query: "cursor=\(cursor)")).start == .after("0190-é"))
    }

    @Test func filtersAreRead() throws {
        let filter = try EntityFilter(QueryParameters(query: "name=a&tag=b&status=all&metadata=%7B%22k%22%3A1%7D"))
        #expect(filter == EntityFilter(name: "a", tag: "b", metadata: ["k": 1], status: .all))
        #expect(try EntityFilter(QueryParameters(query: "")).status == .enabled)
        for query in ["status=other", "metadata=1", "metadata=%7B"] {
            #expect(reason { _ = try EntityFilter(QueryParameters(query: query)) } != nil, "\(query)")
        }
    }

    @Test func everyKindOfErrorHasItsStatus() {
        let expected: [ServiceError.Kind: Int] = [
            .malformed: 400, .unauthenticated: 401, .forbidden: 403, .notFound: 404, .conflict: 409,
            .payloadTooLarge: 413,
            .unsupportedMediaType: 415, .unprocessable: 422, .tooManyRequests: 429, .unavailable: 503,
            .internalFailure: 500,
        ]
        for kind in ServiceError.Kind.allCases {
            let problem = ProblemDocument(
                ServiceError(kind, reason: "r", "message", detail: "secret detail"), requestID: "1")
            #expect(problem.status == expected[kind])
            #expect(
                problem.error == "message" && problem.detail == "message" && problem.type == "urn:martlet:problem:r")
            #expect(!String(decoding: problem.json(), as: UTF8.self).contains("secret detail"))
        }
    }

    @Test(arguments: [
        ("loopback", "127.0.0.1", "1.1.1.1, 203.0.113.7", "203.0.113.7"),
        ("loopback", "10.0.0.2", "203.0.113.7", "10.0.0.2"),
        ("private", "172.20.0.3", "203.0.113.7", "203.0.113.7"), ("private", "172.32.0.3", "203.0.113.7", "172.32.0.3"),
        ("none", "127.0.0.1", "203.0.113.7", "127.0.0.1"), ("loopback", "127.0.0.1", "<script>", "127.0.0.1"),
        ("loopback", "::1", "2001:db8::1", "2001:db8::1"),
    ])
    func onlyTrustedProxiesNameTheCaller(_ trusted: String, _ peer: String, _ forwarded: String, _ caller: String) {
        #expect(TrustedProxies(trusted).callerAddress(peer: peer, forwardedFor: forwarded) == caller)
        #expect(TrustedProxies(trusted).callerAddress(peer: peer, forwardedFor: nil) == peer)
    }

    @Test func rateLimitsRefillAndStayBounded() throws {
        let clock = TestClock()
        let limiter = RateLimiter(perSecond: 1, burst: 2, maximumKeys: 10, now: { clock.now })
        try limiter.take("a")
        try limiter.take("a")
        let refusal = #expect(throws: ServiceError.self) { try limiter.take("a") }
        #expect(refusal?.kind == .tooManyRequests && refusal?.retryAfterSeconds == 1)
        try limiter.take("b")
        clock.advance(by: .seconds(1))
        try limiter.take("a")
        limiter.giveBack("a")
        try limiter.take("a")
        #expect(throws: ServiceError.self) { try limiter.take("a") }
        for index in 0..<1_000 { try limiter.take("key \(index)") }
        #expect(limiter.count <= 10)
        // The one who has nothing left is not forgotten for the sake of those who have.
        #expect(throws: ServiceError.self) { try limiter.take("a") }
    }
}
