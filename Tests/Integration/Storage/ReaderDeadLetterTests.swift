// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Messaging
import NIOCore
import Postgres
import TestKit
import Testing

/// What could not be stored, over HTTP, through the real writer, bus, things and users.
@Suite struct ReaderDeadLetterTests {
    @Test func tellsWhatWasRefusedAndWhy() async throws {
        let scene = try await ReaderScene.make()
        let other = ThingID.new()
        var numbers: [UInt64] = []
        numbers.append(try await scene.send(#"{"a":"\u0000"}"#, .json, subtopic: "hall.two"))
        numbers.append(
            try await scene.send(
                #"[{"n":"ok","v":1},{"n":"nul","vs":"a\u0000b"},{"n":"ok","v":2}]"#, .senmlJSON, publisher: other))
        numbers.append(try await scene.send(#"{"a":1e999999}"#, .json, transport: .mqtt))
        // Of the channel by its subject only.
        numbers.append(
            try await scene.bus.publishDurably(
                BusMessage(subject: Subjects.messages(channel: scene.channel), payload: ByteBuffer(bytes: [7, 7]))
            )
            .sequence)
        numbers.append(try await scene.send(#"{"fine":true}"#, .json))
        try await eventually("the last one is stored") {
            try await scene.page("format=json&sequence=\(numbers[4])").messages.count == 1
        }
        try await checkLetters(scene, numbers, other)
        try await checkFilters(scene, numbers, other)
        try await checkPages(scene, numbers)
        try await checkSequences(scene, numbers)
        try await checkRefusals(scene)
        try await checkRights(scene)
        try await checkFrontDoor(scene)
        try await scene.stop()
    }

    private struct Page: Decodable {
        struct Letter: Decodable {
            var sequence: UInt64
            var stream: String
            var record: Int?
            var reason: String
            var message: String
            var refused: Double
            var created: Double?
            var subtopic: String?
            var publisher: String?
            var `protocol`: String?
            var contentType: String?
            var payload: Data?
            var envelope: Data?

            private enum CodingKeys: String, CodingKey {
                case sequence, stream, record, reason, message, refused, created, subtopic, publisher, `protocol`
                case payload, envelope
                case contentType = "content_type"
            }
        }
        var total: Int?
        var nextCursor: String?
        var deadLetters: [Letter]

        private enum CodingKeys: String, CodingKey {
            case total
            case nextCursor = "next_cursor"
            case deadLetters = "dead_letters"
        }

        var numbers: [UInt64] { deadLetters.map(\.sequence) }
    }

    private static func path(_ scene: ReaderScene) -> String { "/channels/\(scene.channel)/dead-letters" }

    private func page(_ scene: ReaderScene, _ query: String) async throws -> Page {
        try Stack.expect(200, await scene.get("\(Self.path(scene))?\(query)"), query).json(Page.self)
    }

    private func checkLetters(_ scene: ReaderScene, _ numbers: [UInt64], _ other: ThingID) async throws {
        let page = try await page(scene, "dir=asc")
        // One moment may hold several letters, which are then in the order of the log.
        #expect(page.numbers == Array(numbers[..<4]))
        #expect(page.total == 4)
        let first = try #require(page.deadLetters.first)
        #expect(first.reason == "null-character")
        #expect(first.message.contains("U+0000"))
        #expect(first.record == nil)
        #expect(first.subtopic == "hall.two" && first.protocol == "http" && first.contentType == "application/json")
        #expect(first.publisher == scene.device.thing)
        #expect(first.created == Double(ReaderScene.start))
        #expect(first.payload == Data(#"{"a":"\u0000"}"#.utf8))
        #expect(first.refused > 1_700_000_000)
        let second = page.deadLetters[1]
        #expect(second.record == 1 && second.publisher == other.description)
        #expect(try await scene.page("sequence=\(numbers[1])").messages.count == 2)
        #expect(page.deadLetters[2].reason == "database-22003" && page.deadLetters[2].protocol == "mqtt")
        let broken = page.deadLetters[3]
        #expect(broken.reason.hasPrefix("envelope-"))
        #expect(broken.envelope == Data([7, 7]) && broken.payload == nil && broken.publisher == nil)
        #expect(Set(page.deadLetters.map(\.stream)).count == 1)
        let milliseconds = try await scene.get("\(Self.path(scene))?sequence=\(numbers[0])&time_unit=ms").text
        #expect(milliseconds.contains(#""created":1700000000000"#), "\(milliseconds)")
    }

    private func checkFilters(_ scene: ReaderScene, _ numbers: [UInt64], _ other: ThingID) async throws {
        let thing = scene.device.thing
        let all = Array(numbers[..<4].reversed())
        for (query, expected) in [
            ("", all), ("sequence=\(numbers[1])", [numbers[1]]), ("sequence=\(numbers[4])", []),
            ("reason=null-character", [numbers[1], numbers[0]]), ("reason=null", []),
            ("publisher=\(thing)", [numbers[2], numbers[0]]), ("publisher=\(other)", [numbers[1]]),
            ("publisher=\(thing)&reason=null-character", [numbers[0]]), ("publisher=\(ThingID.new())", []),
            ("from=0", all), ("to=1700000000", []), ("from=4102444800", []), ("to=4102444800", all),
            ("reason=%27%3B%20DROP%20TABLE%20messages.dead_letters%3B%20--", []),
        ] {
            #expect(try await page(scene, query).numbers == expected, "\(query)")
        }
        // What was said can be asked for again, to the nanosecond.
        let letter = try #require(
            try await scene.get("\(Self.path(scene))?limit=1&time_unit=ns").text.split(separator: #""refused":"#).last)
        let moment = try #require(Int(letter.prefix { $0.isNumber }))
        let same = try await page(scene, "from=\(moment)&to=\(moment + 1)&time_unit=ns")
        #expect(same.numbers.contains(numbers[3]))
        #expect(try await page(scene, "from=\(moment + 1)&time_unit=ns").numbers.isEmpty)
    }

    private func checkPages(_ scene: ReaderScene, _ numbers: [UInt64]) async throws {
        for direction in ["desc", "asc"] {
            let expected = direction == "asc" ? Array(numbers[..<4]) : numbers[..<4].reversed()
            var seen: [UInt64] = []
            var next = try await page(scene, "limit=1&dir=\(direction)")
            while true {
                seen += next.numbers
                guard let cursor = next.nextCursor else { break }
                next = try await page(scene, "limit=1&dir=\(direction)&cursor=\(cursor)")
                #expect(next.total == nil)
            }
            #expect(seen == expected)
        }
        #expect(try await page(scene, "limit=1&offset=1").numbers == [numbers[2]])
        #expect(try await page(scene, "limit=1").total == nil)
        #expect(try await page(scene, "limit=1&total=true").total == 4)
    }

    private func checkSequences(_ scene: ReaderScene, _ numbers: [UInt64]) async throws {
        let found = try await scene.get("\(scene.path)?sequence=\(numbers[1])").text
        #expect(found.contains(#""sequence":\#(numbers[1]),"messages":["#), "\(found)")
        #expect(try await scene.page("sequence=\(numbers[0])").total == 0)
        #expect(try await scene.page("sequence=\(numbers[1])&name=ok&v=2").total == 1)
        let exported = try await scene.get("/channels/\(scene.channel)/export?sequence=\(numbers[1])").text
        #expect(exported.split(separator: "\n").count == 2)
        for query in ["sequence=0", "sequence=x", "sequence=-1", "sequence=9223372036854775808"] {
            #expect(try await scene.get("\(scene.path)?\(query)").status == 400, "\(query)")
        }
    }

    private func checkRefusals(_ scene: ReaderScene) async throws {
        for query in [
            "sequence=0", "sequence=x", "publisher=x", "from=x", "to=x", "dir=up", "limit=0", "limit=1001", "cursor=x",
            "cursor=MS4yLjM", "time_unit=m", "total=x", "offset=-1", "reason=%00", "reason=a&reason=b",
        ] {
            let response = try await scene.get("\(Self.path(scene))?\(query)")
            #expect(response.status == 400, "\(query): \(response.text)")
        }
    }

    private func checkRights(_ scene: ReaderScene) async throws {
        let path = Self.path(scene)
        let key = scene.device.key
        for authorization in ["Thing \(key)", "Client \(key)", "Bearer \(scene.token)"] {
            #expect(try await scene.get(path, authorization).status == 200)
            #expect(try await scene.get("/\(DomainID.new())\(path)", authorization).status == 404)
        }
        #expect(try await scene.stack.client("reader-postgres").get(path).status == 401)
        #expect(try await scene.get(path, "Thing no such key of anybody").status == 401)
        let foreign = try await scene.get(path, "Bearer \(try await scene.strangerToken())")
        #expect(foreign.status == 404)
        #expect(try scene.reason(foreign) == "unknown-channel")
        // As for messages: who may only publish sees none, not even the own.
        for kept in ["publish", "subscribe"] {
            try await scene.keepOnly(kept)
            try await eventually("reading with \(kept) only") {
                try await scene.get(path, "Thing \(key)").status == (kept == "subscribe" ? 200 : 403)
            }
        }
    }

    private func checkFrontDoor(_ scene: ReaderScene) async throws {
        let door = try await FrontDoor.start(scene.stack)
        let client = HTTPClient(port: door.port)
        struct Channel: Decodable {
            var domainID: String

            private enum CodingKeys: String, CodingKey { case domainID = "domain_id" }
        }
        let headers = ["Authorization": "Bearer \(scene.token)"]
        let domain = try await client.get("/channels/\(scene.channel)", headers: headers).json(Channel.self).domainID
        for path in [Self.path(scene), "/\(domain)\(Self.path(scene))"] {
            let answer = try Stack.expect(200, await client.get(path, headers: headers), path)
            #expect(try answer.json(Page.self).deadLetters.count == 4)
        }
        try await door.stop()
    }
}
