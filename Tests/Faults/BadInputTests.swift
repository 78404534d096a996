// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// What is wrong with a request is said precisely, counted by its reason, and never a fault of the server.
@Suite(.serialized) struct BadInputTests {
    private struct Created: Decodable { let id: String }

    private struct Case {
        var what: String
        var status: Int
        var reason: String
        var path: String
        var headers: [(String, String)]
        var body: [UInt8]
    }

    @Test func badPublishesAreRefusedPrecisely() async throws {
        let stack = try await Stack.start()
        let token = try await stack.adminToken()
        let device = try await stack.makeDevice(token: token)
        let foreign = try await foreignChannel(stack, token)
        let before = try await stack.client("http-adapter").get("/metrics").text
        let cases = Self.cases(device, foreign: foreign)
        for bad in cases { try await expectRefusal(bad, stack) }
        try await expectChunkedOversizeRefusal(stack, device)

        // What the adapter counted is what was sent, and none of it its own fault.
        let after = try await stack.client("http-adapter").get("/metrics").text
        let grown = Self.refusals(after).merging(Self.refusals(before).mapValues { -$0 }, uniquingKeysWith: +)
        var expected: [String: Double] = [:]
        for bad in cases { expected[bad.reason, default: 0] += 1 }
        expected["payload-too-large", default: 0] += 1
        // A client that hangs up within what it was refused for is counted once more, as that.
        #expect(grown.filter { $0.value != 0 && $0.key != "request-truncated" } == expected)

        // It lives on, and nothing of all that was stored.
        let good = try await stack.client("http-adapter", headers: device.authorization).post(
            device.publishPath, text: #"[{"n":"count","v":1}]"#, headers: ["Content-Type": "application/senml+json"])
        #expect(good.status == 202, "\(good.text)")
        let channel = try #require(ChannelID(device.channel))
        try await eventually("it is stored") { try await Faults.storedCounts(stack, channel) == [1: 1] }
        for table in ["senml", "json", "blobs"] {
            let reader = stack.client("reader-postgres", headers: device.authorization)
            let format = table == "senml" ? "messages" : table
            let page = try await reader.get("/channels/\(device.channel)/messages?format=\(format)")
            #expect(page.status == 200)
            #expect(page.text.contains(#""total":\#(table == "senml" ? 1 : 0)"#), "\(page.text)")
        }
        #expect(try stack.process("http-adapter").isRunning)
        try await stack.stop()
    }

    private static func cases(_ device: Stack.Device, foreign: String) -> [Case] {
        let path = device.publishPath
        let key = ("Authorization", "Thing \(device.key)")
        let senml = ("Content-Type", "application/senml+json")
        let json = ("Content-Type", "application/json")
        let record = Array(#"[{"n":"count","v":1}]"#.utf8)
        func senMLCase(_ what: String, _ reason: String, _ body: String) -> Case {
            Case(what: what, status: 400, reason: reason, path: path, headers: [key, senml], body: Array(body.utf8))
        }
        func pathCase(_ what: String, _ status: Int, _ reason: String, _ path: String) -> Case {
            Case(what: what, status: status, reason: reason, path: path, headers: [key, senml], body: record)
        }
        func headerCase(_ what: String, _ status: Int, _ reason: String, _ headers: [(String, String)]) -> Case {
            Case(what: what, status: status, reason: reason, path: path, headers: headers, body: record)
        }
        return [
            senMLCase("broken SenML", "senml-json-truncated", #"[{"n":"a","v":1"#),
            senMLCase("bver", "senml-version", #"[{"bver":11,"n":"a","v":1}]"#),
            senMLCase("a label that ends in _", "senml-reserved-label", #"[{"n":"a","v":1,"x_":1}]"#),
            senMLCase("NaN", "senml-number-out-of-range", #"[{"n":"a","v":NaN}]"#),
            senMLCase("no array", "senml-not-an-array", #"{"n":"a","v":1}"#),
            Case(
                what: "broken JSON", status: 400, reason: "json-syntax", path: path, headers: [key, json],
                body: Array(#"{"a":1,}"#.utf8)),
            Case(
                what: "10 MiB", status: 413, reason: "payload-too-large", path: path, headers: [key, senml],
                body: [UInt8](repeating: 0x20, count: 10 << 20)),
            headerCase("no content type", 415, "content-type-missing", [key]),
            headerCase("a content type that is none", 415, "content-type-unusable", [key, ("Content-Type", "senml")]),
            headerCase("compressed", 415, "content-encoding", [key, senml, ("Content-Encoding", "gzip")]),
            pathCase("unknown channel", 404, "unknown-channel", "/channels/\(ChannelID.new())/messages"),
            pathCase("foreign channel", 404, "unknown-channel", "/channels/\(foreign)/messages"),
            pathCase("wildcard *", 400, "path-wildcard", path + "/a/*"),
            pathCase("wildcard >", 400, "path-wildcard", path + "/%3E"),
            pathCase("wildcard +", 400, "path-wildcard", path + "/+/b"),
            pathCase("wildcard #", 400, "path-wildcard", path + "/%23"),
            pathCase("unknown path", 404, "path-unknown", "/chanels/\(device.channel)/messages"),
            headerCase("bad key", 401, "unknown-key", [("Authorization", "Thing \(device.key.dropLast())x"), senml]),
            headerCase("no key", 401, "missing-credential", [senml]),
            headerCase("garbage for a key", 401, "malformed-credential", [("Authorization", "Basic %%%"), senml]),
            headerCase("idempotency key", 400, "idempotency-key", [key, senml, ("Idempotency-Key", "a b\"")]),
        ]
    }

    private func expectRefusal(_ bad: Case, _ stack: Stack) async throws {
        var headers: [String: String] = [:]
        for (name, value) in bad.headers { headers[name] = value }
        let answer: BlockingHTTPConnection.Response
        do {
            answer = try await stack.client("http-adapter").send("POST", bad.path, headers: headers, body: bad.body)
        } catch {
            Issue.record("\(bad.what): \(error)")
            return
        }
        expectProblem(answer, bad.status, bad.reason, bad.what)
    }

    private func expectProblem(
        _ answer: BlockingHTTPConnection.Response, _ status: Int, _ reason: String, _ what: String
    ) {
        #expect(answer.status == status, "\(what): \(answer.text)")
        guard let problem = answer.problem else {
            Issue.record("\(what) is no problem document: \(answer.headers) \(answer.text)")
            return
        }
        #expect(problem.status == status, "\(what)")
        #expect(problem.reason == reason, "\(what)")
        #expect(problem.type == "urn:martlet:problem:\(reason)", "\(what)")
        #expect(!problem.title.isEmpty && !problem.detail.isEmpty, "\(what)")
        #expect((answer.headers["retry-after"] != nil) == [429, 503].contains(status), "\(what)")
        #expect((answer.headers["www-authenticate"] != nil) == (status == 401), "\(what)")
    }

    /// A body whose length is not said in advance ends where it becomes too long.
    private func expectChunkedOversizeRefusal(_ stack: Stack, _ device: Stack.Device) async throws {
        let connection = BlockingHTTPConnection(port: stack.ports["http-adapter"] ?? 0)
        let head = """
            POST \(device.publishPath) HTTP/1.1\r\nHost: a\r\nAuthorization: Thing \(device.key)\r
            Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n
            """
        try connection.send(raw: Array(head.utf8))
        let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x41, count: 0x10000) + Array("\r\n".utf8)
        for _ in 0..<17 { try connection.send(raw: chunk) }
        expectProblem(try connection.receive(), 413, "payload-too-large", "chunked oversize")
        _ = try connection.receiveToEnd()
    }

    private func foreignChannel(_ stack: Stack, _ token: String) async throws -> String {
        let users = stack.client("users", headers: ["Authorization": "Bearer \(token)"])
        let domain = try Stack.expect(201, await users.post("/domains", json: ["name": "other"]), "create a domain")
            .json(Created.self).id
        let things = stack.client(
            "things", headers: ["Authorization": "Bearer \(try await stack.adminToken(domain: domain))"])
        return try Stack.expect(201, await things.post("/channels", json: ["name": "foreign"]), "create a channel")
            .json(Created.self).id
    }

    private static func refusals(_ metrics: String) -> [String: Double] {
        var counts: [String: Double] = [:]
        for line in metrics.split(separator: "\n") {
            guard let match = line.wholeMatch(of: #/martlet_http_refused_total\{reason="([^"]+)"\} (\S+)/#) else {
                continue
            }
            counts[String(match.1), default: 0] += Double(match.2) ?? .nan
        }
        return counts
    }

    // MARK: Reading

    @Test func badReadsAreRefusedPrecisely() async throws {
        let stack = try await Stack.start()
        let token = try await stack.adminToken()
        let device = try await stack.makeDevice(token: token)
        let foreign = try await foreignChannel(stack, token)
        let reader = stack.client("reader-postgres", headers: device.authorization)
        let path = "/channels/\(device.channel)/messages"
        let before = try await Self.clientErrors(stack)
        let queries = [
            "limit=many", "limit=-1", "limit=1000000", "offset=-1", "offset=99999999999999999999", "v=abc", "v=NaN",
            "v=1&comparator=like", "vb=maybe", "vd=***", "from=yesterday", "to=NaN", "cursor=garbage", "format=xml",
            "dir=up", "publisher=me", "total=perhaps", "format=json&v=1", "limit=1&limit=2", "name=%zz", "name=%00",
        ]
        for query in queries {
            let answer = try await reader.get("\(path)?\(query)")
            #expect(answer.status == 400, "\(query): \(answer.status) \(answer.text)")
            let problem = try #require(answer.problem, "\(query): \(answer.text)")
            #expect(!problem.reason.isEmpty && !problem.detail.isEmpty, "\(query)")
        }
        var refusals = [(try await reader.get("/channels/\(ChannelID.new())/messages"), 404, "unknown channel")]
        refusals.append((try await reader.get("/channels/\(foreign)/messages"), 404, "foreign channel"))
        let bad = stack.client("reader-postgres", headers: ["Authorization": "Thing nobodys-key-at-all"])
        refusals.append((try await bad.get(path), 401, "bad key"))
        let forged = stack.client("reader-postgres", headers: ["Authorization": "Bearer \(token.dropLast(4))AAAA"])
        refusals.append((try await forged.get(path), 401, "forged token"))
        refusals.append((try await stack.client("reader-postgres").get(path), 401, "nobody"))
        for (answer, status, what) in refusals {
            #expect(answer.status == status, "\(what): \(answer.text)")
            #expect(answer.problem?.status == status, "\(what): \(answer.text)")
        }
        // An attempt at the statement is a name that nothing has.
        let injection = try await reader.get("\(path)?name=x'%3BDROP%20TABLE%20messages.senml--")
        #expect(injection.status == 200)
        let after = try await Self.clientErrors(stack)
        #expect(after.client == before.client + Double(queries.count + refusals.count))
        #expect(after.server == before.server)
        #expect(try await reader.get(path).status == 200)
        try await stack.stop()
    }

    /// What the reader answered with 4xx and with 5xx so far.
    private static func clientErrors(_ stack: Stack) async throws -> (client: Double, server: Double) {
        let metrics = try await stack.client("reader-postgres").get("/metrics").text
        var (client, server) = (0.0, 0.0)
        for line in metrics.split(separator: "\n") where line.hasPrefix("martlet_http_requests_total{") {
            let value = line.split(separator: " ").last.flatMap { Double($0) } ?? .nan
            if line.contains(#"status="4"#) { client += value }
            if line.contains(#"status="5"#) { server += value }
        }
        return (client, server)
    }
}
