// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import TestKit
import Testing

/// Aggregations and latest values over HTTP, through the real writer, bus, things and users.
@Suite struct ReaderRouteTests {
    @Test func sumsUpAndFindsTheLatest() async throws {
        let scene = try await ReaderScene.make()
        try await scene.publish(
            """
            [{"bn":"s:","bt":1700000000,"n":"t","u":"Cel","v":1},{"n":"t","u":"Cel","v":2,"t":9.5},{"n":"t","u":"Cel","v":6,"t":10},
             {"n":"door","vs":"open","t":3},{"n":"door","vs":"shut","t":4},{"n":"on","vb":true,"t":29.25},
             {"n":"t","u":"Cel","v":-4,"t":40}]
            """, subtopic: "hall", storing: 7)
        try await scene.publish(
            #"[{"n":"s:t","v":100,"bt":1700000001}]"#, transport: .mqtt, publisher: .new(), storing: 1)
        try await checkAggregations(scene)
        try await checkGaps(scene)
        try await checkLatest(scene)
        try await checkRefusals(scene)
        try await checkRights(scene)
        try await scene.stop()
    }

    private static let span = "from=1700000000&to=1700000050&interval=10s"

    private func checkAggregations(_ scene: ReaderScene) async throws {
        for (query, values) in [
            ("aggregation=AVG", [-4, 6, 103.0 / 3]), ("aggregation=avg&dir=asc", [103.0 / 3, 6, -4]),
            ("aggregation=MIN", [-4, 6, 1]), ("aggregation=Max", [-4, 6, 100]), ("aggregation=SUM", [-4, 6, 103]),
            ("aggregation=COUNT&name=s:t", [1, 1, 3]), ("aggregation=first&name=s:t", [-4, 6, 1]),
            ("aggregation=last&name=s:t", [-4, 6, 2]), ("aggregation=sum&protocol=mqtt", [100]),
            ("aggregation=sum&v=2&comparator=ge", [6, 102]), ("aggregation=sum&subtopic=hall", [-4, 6, 3]),
            ("aggregation=sum&name=s:t&group=publisher", [-4, 6, nil, nil]), ("aggregation=avg&name=s:door", []),
        ] as [(String, [Double?])] {
            let page = try await scene.page("\(Self.span)&\(query)")
            #expect(page.messages.count == values.count, "\(query)")
            for (message, value) in zip(page.messages, values) where value != nil {
                #expect(message.value == value, "\(query)")
            }
            #expect(page.total == values.count, "\(query)")
        }
        let publishers = try await scene.page("\(Self.span)&aggregation=sum&name=s:t&group=publisher&dir=asc&limit=2")
        #expect(Set(publishers.messages.compactMap(\.value)) == [3, 100])
        #expect(publishers.messages.contains { $0.publisher == scene.device.thing && $0.value == 3 })

        let text = try await scene.get(
            "\(scene.path)?from=1700000000000&to=1.70000005e12&interval=10s&aggregation=LAST&name=s:door&time_unit=ms"
        ).text
        #expect(
            text
                == #"{"offset":0,"limit":10,"format":"messages","total":1,"time_unit":"ms","aggregation":"last","interval":"10s","step":10000,"name":"s:door","from":1700000000000,"to":1700000050000,"messages":[{"channel":"\#(scene.channel)","name":"s:door","time":1700000000000,"count":2,"string_value":"shut","value_time":1700000004000}]}"#
        )
        // Aligned to 1970, whatever the question begins with; the first interval holds what is not before it.
        let odd = try await scene.page("from=1700000005&to=1700000012&interval=10s&aggregation=sum")
        #expect(odd.messages.map(\.time) == [1_700_000_010, 1_700_000_000])
        #expect(odd.messages.map(\.value) == [6, 2])
        // A second unless said, up to now.
        let plain = try await scene.page("from=1700000000&to=1700000002&aggregation=count")
        #expect(plain.messages.map(\.time) == [1_700_000_001, 1_700_000_000])
        let toNow = try await scene.page("from=1700000000&aggregation=count&interval=1000000h")
        #expect(toNow.messages.map(\.count) == [2, 1, 5])

        // Pages by cursor.
        var seen: [String] = []
        var page = try await scene.page("\(Self.span)&aggregation=count&limit=2")
        while true {
            seen += page.names
            guard let cursor = page.nextCursor else { break }
            page = try await scene.page("\(Self.span)&aggregation=count&limit=2&cursor=\(cursor)")
            #expect(page.total == nil)
        }
        #expect(seen == ["s:t", "s:on", "s:t", "s:door", "s:t"])
    }

    private func checkGaps(_ scene: ReaderScene) async throws {
        let text = try await scene.get("\(scene.path)?\(Self.span)&aggregation=avg&gaps=true&name=s:t&dir=asc").text
        #expect(text.contains(#""gaps":true,"dir":"asc","#))
        #expect(text.contains(#""name":"s:t","time":1700000020,"count":0,"value":null}"#), "\(text)")
        let page = try await scene.page("\(Self.span)&aggregation=count&gaps=true&limit=100")
        #expect(page.messages.count == 15)
        #expect(page.total == 15)
        #expect(page.messages.filter { $0.count == 0 }.allSatisfy { $0.value == 0 })
        #expect(page.messages.compactMap(\.count).reduce(0, +) == 8)
    }

    private func checkLatest(_ scene: ReaderScene) async throws {
        for (query, expected) in [
            ("", ["s:door 1700000004.0", "s:on 1700000029.25", "s:t 1700000040.0"]),
            ("limit=1", ["s:door 1700000004.0"]),
            ("name=s:t", ["s:t 1700000040.0"]), ("name=none", []), ("protocol=mqtt", ["s:t 1700000001.0"]),
            ("to=1700000010", ["s:door 1700000004.0", "s:t 1700000009.5"]),
            ("from=1700000005", ["s:on 1700000029.25", "s:t 1700000040.0"]), ("vb=true", ["s:on 1700000029.25"]),
            ("v=0&comparator=gt", ["s:t 1700000010.0"]), ("offset=2", ["s:t 1700000040.0"]), ("subtopic=x", []),
        ] {
            let page = try Stack.expect(200, await scene.get("\(Self.latest(scene))?\(query)"), query)
                .json(ReaderScene.Page.self)
            #expect(page.messages.map { "\($0.name ?? "") \($0.time ?? 0)" } == expected, "\(query)")
        }
        let first = try await scene.get("\(Self.latest(scene))?limit=2&total=true").json(ReaderScene.Page.self)
        #expect(first.total == 3)
        let cursor = try #require(first.nextCursor)
        let second = try await scene.get("\(Self.latest(scene))?limit=2&cursor=\(cursor)").json(ReaderScene.Page.self)
        #expect(second.names == ["s:t"])
        #expect(second.nextCursor == nil)
        let text = try await scene.get("\(Self.latest(scene))?name=s:on&time_unit=ns").text
        #expect(text.contains(#""time":1700000029250000000,"bool_value":true"#), "\(text)")
    }

    private static func latest(_ scene: ReaderScene) -> String { "/channels/\(scene.channel)/latest" }

    private func checkRefusals(_ scene: ReaderScene) async throws {
        let base = "from=1700000000&to=1700000050&aggregation=avg"
        for (query, reason) in [
            ("aggregation=median&from=0", "invalid-parameter"), ("aggregation=&from=0", "invalid-parameter"),
            ("aggregation=avg", "missing-parameter"), ("aggregation=avg&to=5", "missing-parameter"),
            ("aggregation=avg&from=5&to=5", "invalid-parameter"), ("aggregation=avg&from=6&to=5", "invalid-parameter"),
            ("\(base)&interval=", "invalid-parameter"), ("\(base)&interval=0s", "invalid-parameter"),
            ("\(base)&interval=-5s", "invalid-parameter"), ("\(base)&interval=1d", "invalid-parameter"),
            ("\(base)&interval=5", "invalid-parameter"), ("\(base)&interval=99999999h", "invalid-parameter"),
            ("\(base)&interval=1ms&from=0", "repeated-parameter"), ("\(base)&interval=1us", "too-many-intervals"),
            ("aggregation=avg&from=0", "too-many-intervals"), ("aggregation=avg&from=-1e30", "too-many-intervals"),
            ("aggregation=avg&from=-1e30&to=1e30&interval=2000000h", "too-many-intervals"),
            ("\(base)&group=unit", "invalid-parameter"), ("\(base)&gaps=maybe", "invalid-parameter"),
            ("\(base)&order=name", "invalid-parameter"), ("\(base)&format=json", "invalid-parameter"),
            ("\(base)&cursor=MS4yLjM", "invalid-parameter"), ("\(base)&cursor=x", "invalid-parameter"),
            ("\(base)&limit=1001", "invalid-parameter"), ("\(base)&time_unit=h", "invalid-parameter"),
            // 1700000000.5 s, where no interval begins; a thing where none belongs.
            ("\(base)&cursor=MTcwMDAwMDAwMDUwMDAwMDAwMC4uYQ", "invalid-parameter"),
        ] {
            let response = try await scene.get("\(scene.path)?\(query)")
            #expect(response.status == 400, "\(query): \(response.text)")
            #expect(try scene.reason(response) == reason, "\(query): \(response.text)")
        }
        for query in [
            "format=json", "limit=0", "cursor=%25", "offset=1&cursor=YQ", "total=x", "from=x", "v=nan", "vd=%25",
        ] {
            #expect(try await scene.get("\(Self.latest(scene))?\(query)").status == 400, "\(query)")
        }
        for text in ["'; DROP TABLE messages.senml; --", "\" OR 1=1 --", "$1", "\\'; SELECT 1; --"] {
            let escaped = try #require(text.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
            for name in ["name", "subtopic", "protocol", "vs"] {
                #expect(try await scene.page("\(Self.span)&aggregation=last&\(name)=\(escaped)").names.isEmpty)
                let latest = try await scene.get("\(Self.latest(scene))?\(name)=\(escaped)")
                #expect(try latest.json(ReaderScene.Page.self).names.isEmpty)
            }
            let cursor = Data(text.utf8).base64EncodedString().replacing("=", with: "")
            let behind = try await scene.get("\(Self.latest(scene))?cursor=\(cursor)")
            #expect(behind.status == 200 || behind.status == 400, "\(behind.text)")
        }
        #expect(try await scene.page("").total == 8)
    }

    /// The same as for messages: every route asks for itself.
    private func checkRights(_ scene: ReaderScene) async throws {
        let things = scene.stack.client("things", headers: ["Authorization": "Bearer \(scene.token)"])
        struct Thing: Decodable {
            var domainID: String

            private enum CodingKeys: String, CodingKey { case domainID = "domain_id" }
        }
        let domain = try await things.get("/things/\(scene.device.thing)").json(Thing.self).domainID
        let paths = ["\(Self.latest(scene))?limit=1", "\(scene.path)?\(Self.span)&aggregation=avg"]
        for path in paths {
            for authorization in ["Thing \(scene.device.key)", "Bearer \(scene.token)"] {
                #expect(try await scene.get(path, authorization).status == 200)
                #expect(try await scene.get("/\(domain)\(path)", authorization).status == 200)
                #expect(try await scene.get("/\(DomainID.new())\(path)", authorization).status == 404)
            }
            #expect(try await scene.get(path, "Thing nobody's key").status == 401)
            #expect(try await scene.stack.client("reader-postgres").get(path).status == 401)
            let stranger = try await scene.strangerToken()
            #expect(try await scene.get(path, "Bearer \(stranger)").status == 404)
        }
        try await scene.keepOnly("publish")
        for path in paths {
            try await eventually("reading with the right to publish only") {
                try await scene.get(path, "Thing \(scene.device.key)").status == 403
            }
        }
    }
}
