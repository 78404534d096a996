// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import TestKit
import Testing

/// Reading what was stored, through the real writer, bus, things and users. One stack serves all: it takes longer to start than to ask.
@Suite(.serialized) struct ReaderTests {
    @Test func readsBackWhatWasStored() async throws {
        let scene = try await ReaderScene.make()
        try await scene.publish(
            """
            [{"bn":"s:","bt":1700000000,"n":"a","u":"Cel","v":0},{"n":"b","v":-1.5,"t":1},{"n":"c","vb":false,"t":2},
             {"n":"d","vb":true,"t":3},{"n":"e","vs":"open","t":4},{"n":"f","vd":"AP_-","t":5},
             {"n":"g","v":71.25,"s":3,"ut":60,"t":6.123456789}]
            """, subtopic: "hall.two", storing: 7)
        let other = ThingID.new()
        try await scene.publish(
            #"[{"n":"old","v":10,"bt":1600000000}]"#, transport: .mqtt, publisher: other, storing: 1)
        try await scene.publish(#"{"a":{"b":[1,2.50,"ü"]}}"#, .json, subtopic: "doc", storing: 1)
        try await scene.publish("\u{1}\u{2}", .other("image/x"), storing: 1)

        try await checkParameters(scene, other: other)
        try await checkFormats(scene)
        try await checkShape(scene)
        try await checkTimeUnits(scene)
        try await checkOrder(scene)
        try await checkBadParameters(scene)
        try await checkInjection(scene)
        try await checkCursors(scene)
        try await checkRights(scene)
        try await scene.stop()
    }

    private func checkParameters(_ scene: ReaderScene, other: ThingID) async throws {
        for (query, names) in [
            ("", ["s:g", "s:f", "s:e", "s:d", "s:c", "s:b", "s:a", "old"]),
            ("dir=asc", ["old", "s:a", "s:b", "s:c", "s:d", "s:e", "s:f", "s:g"]),
            ("limit=2", ["s:g", "s:f"]), ("limit=2&offset=6", ["s:a", "old"]), ("offset=8", []),
            ("name=s:a", ["s:a"]), ("name=s", []), ("subtopic=hall.two&limit=1", ["s:g"]),
            ("subtopic=hall/two&limit=1", ["s:g"]), ("subtopic=", ["old"]), ("publisher=\(other)", ["old"]),
            ("protocol=mqtt", ["old"]), ("protocol=coap", []),
            ("v=0", ["s:a"]), ("v=0&comparator=eq", ["s:a"]), ("v=0&comparator=lt", ["s:b"]),
            ("v=0&comparator=le", ["s:b", "s:a"]), ("v=0&comparator=gt", ["s:g", "old"]),
            ("v=71.25&comparator=ge", ["s:g"]), ("vb=false", ["s:c"]), ("vb=true", ["s:d"]), ("vs=open", ["s:e"]),
            ("vs=", []), ("vd=AP_-", ["s:f"]), ("vd=AP%2F%2B", ["s:f"]),
            ("from=0&limit=1", ["s:g"]), ("to=0", []), ("from=1700000005", ["s:g", "s:f"]),
            ("to=1700000001", ["s:a", "old"]), ("from=1700000001&to=1700000002", ["s:b"]),
            ("from=1700000006.123456789", ["s:g"]), ("from=1700000006.123456790", []),
            ("to=1700000006.123456789&limit=1", ["s:f"]), ("from=1.7e9&to=1700000000.5", ["s:a"]),
        ] as [(String, [String])] {
            let page = try await scene.page(query)
            #expect(page.names == names, "\(query)")
        }
        #expect(try await scene.page("").total == 8)
        #expect(try await scene.page("limit=2&offset=2").total == 8)
        #expect(try await scene.page("offset=8").total == 8)
        #expect(try await scene.page("limit=2&total=false").total == nil)
        #expect(try await scene.page("vb=true&limit=1").total == 1)
    }

    private func checkFormats(_ scene: ReaderScene) async throws {
        let json = try Stack.expect(200, await scene.get("\(scene.path)?format=json"), "json")
        #expect(json.text.contains(#""payload":{"a": {"b": [1, 2.50, "ü"]}}"#))
        let document = try json.json(ReaderScene.Page.self)
        #expect(document.total == 1)
        #expect(document.messages.first?.created == Double(ReaderScene.start))
        #expect(document.messages.first?.subtopic == "doc")
        let blobs = try Stack.expect(200, await scene.get("\(scene.path)?format=blobs"), "blobs")
        #expect(blobs.text.contains(#""payload":"AQI=""#))
        #expect(try blobs.json(ReaderScene.Page.self).messages.first?.contentType == "image/x")
    }

    private func checkShape(_ scene: ReaderScene) async throws {
        let response = try await scene.get("\(scene.path)?name=s:g&v=71&comparator=gt&from=1700000006.5e0&to=1.8e9")
        let empty = try Stack.expect(200, response, "shape")
        #expect(
            empty.text
                == #"{"offset":0,"limit":10,"format":"messages","total":0,"time_unit":"s","name":"s:g","v":71,"comparator":"gt","from":1700000006.5,"to":1800000000,"messages":[]}"#
        )
        let one = try Stack.expect(200, await scene.get("\(scene.path)?name=s:g"), "one")
        #expect(one.text.contains(#""time":1700000006.123456789"#))
        let message = try #require(try one.json(ReaderScene.Page.self).messages.first)
        #expect(message.value == 71.25)
        #expect(message.sum == 3)
        #expect(message.updateTime == 60)
        #expect(message.publisher == scene.device.thing)
        #expect(message.protocol == "http")
        #expect(message.subtopic == "hall.two")
        let named = try await scene.page("name=s:a").messages.first
        #expect(named?.unit == "Cel")
        #expect(try await scene.page("name=s:f").messages.first?.dataValue == "AP_-")
        #expect(try await scene.page("name=s:e").messages.first?.stringValue == "open")
        #expect(try await scene.page("name=s:c").messages.first?.boolValue == false)
    }

    /// Times of the answer and of the question are in the same unit, exactly.
    private func checkTimeUnits(_ scene: ReaderScene) async throws {
        for (unit, time, bounds) in [
            ("s", "1700000006.123456789", "1700000006.5"), ("ms", "1700000006123.456789", "1700000006500"),
            ("us", "1700000006123456.789", "1700000006500000"), ("ns", "1700000006123456789", "1700000006500000000"),
        ] {
            let response = try await scene.get("\(scene.path)?time_unit=\(unit)&from=\(time)&to=\(bounds)")
            let text = try Stack.expect(200, response, unit).text
            #expect(text.contains(#""time_unit":"\#(unit)""#), "\(text)")
            #expect(text.contains(#""from":\#(time),"to":\#(bounds)"#), "\(text)")
            #expect(text.contains(#""name":"s:g","time":\#(time),"#), "\(text)")
            let page = try response.json(ReaderScene.Page.self)
            #expect(page.names == ["s:g"])
            #expect(page.messages.first?.updateTime == ["s": 60, "ms": 60e3, "us": 60e6, "ns": 60e9][unit])
            let json = try await scene.get("\(scene.path)?format=json&time_unit=\(unit)").text
            #expect(json.contains(#""created":1700000000"#), "\(json)")
        }
    }

    private func checkOrder(_ scene: ReaderScene) async throws {
        for (query, names) in [
            ("order=time&limit=2", ["s:g", "s:f"]), ("order=name&dir=asc&limit=2", ["old", "s:a"]),
            ("order=name&limit=2", ["s:g", "s:f"]), ("order=value&limit=3", ["s:g", "old", "s:a"]),
            ("order=value&dir=asc&limit=2&offset=1", ["s:a", "old"]), ("order=protocol&limit=1", ["old"]),
            ("order=string_value&limit=1", ["s:e"]), ("order=unit&limit=1", ["s:a"]),
        ] {
            let page = try await scene.page(query)
            #expect(page.names == names, "\(query)")
            #expect(page.total == 8)
            #expect((page.nextCursor != nil) == query.hasPrefix("order=time"), "\(query)")
        }
        #expect(try await scene.get("\(scene.path)?order=name&dir=asc").text.contains(#""order":"name","dir":"asc""#))
    }

    private func checkBadParameters(_ scene: ReaderScene) async throws {
        for query in [
            "limit=0", "limit=1001", "limit=x", "offset=-1", "offset=1&cursor=x", "cursor=x", "cursor=MS4yLng",
            "format=senml", "format=messages%22", "publisher=x", "v=x", "v=nan", "v=inf", "comparator=ne", "vb=maybe",
            "vd=%25", "from=x", "to=0x10", "from=", "dir=up", "total=x", "v=1&v=2", "name=%00", "name=%ff",
            "format=json&v=1", "format=blobs&name=x",
            "time_unit=m", "time_unit=", "order=id", "order=name&cursor=MS4yLjM", "format=json&order=name",
            "interval=1s",
            "group=name", "gaps=true",
        ] {
            let response = try await scene.get("\(scene.path)?\(query)")
            #expect(response.status == 400, "\(query): \(response.text)")
        }
    }

    /// Whatever a client says is a value: found nowhere, or refused, and never part of a statement.
    private func checkInjection(_ scene: ReaderScene) async throws {
        for text in [
            "'; DROP TABLE messages.senml; --", "' OR '1'='1", "\" OR 1=1 --", "1); DELETE FROM messages.senml; --",
            "$1",
            "\\'; SELECT pg_sleep(10); --", "messages.senml UNION SELECT * FROM messages.dead_letters", "%", "_", "*",
        ] {
            let escaped = try #require(text.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
            for name in ["name", "subtopic", "protocol", "vs"] {
                #expect(try await scene.page("\(name)=\(escaped)").names.isEmpty, "\(name)=\(text)")
            }
            for name in [
                "format", "publisher", "v", "vb", "comparator", "from", "to", "limit", "offset", "cursor", "dir",
                "order",
                "time_unit", "aggregation", "interval",
            ] {
                let response = try await scene.get("\(scene.path)?\(name)=\(escaped)")
                #expect(response.status == 400, "\(name)=\(text)")
            }
            #expect(try await scene.get("/channels/\(escaped)/messages").status == 404, "\(text)")
        }
        #expect(try await scene.page("").total == 8)
    }

    /// Pages by cursor neither repeat nor leave out anything, although messages are stored before and between them meanwhile.
    private func checkCursors(_ scene: ReaderScene) async throws {
        let pack = (0..<50).map { #"{"n":"p\#($0)","v":\#($0),"t":\#($0 / 10)}"# }.joined(separator: ",")
        try await scene.publish(#"[{"bt":1500000000,"n":"first","v":0},"# + pack + "]", storing: 51)
        for direction in ["desc", "asc"] {
            let query = "to=1550000000&limit=7&dir=\(direction)"
            let before = try await scene.page("to=1550000000&limit=1000&dir=\(direction)").names
            var seen: [String] = []
            var page = try await scene.page(query)
            var inserted = 0
            while true {
                #expect(page.messages.count <= 7)
                seen += page.names.filter { !$0.hasPrefix("late") }
                guard let cursor = page.nextCursor else { break }
                // Ahead of and behind every position.
                try await scene.publish(
                    #"[{"n":"late","v":1,"bt":1540000000},{"n":"late","v":1,"bt":-0,"t":1400000000}]"#, storing: 2)
                inserted += 2
                page = try await scene.page("\(query)&cursor=\(cursor)")
                #expect(page.total == nil)
            }
            #expect(seen == before.filter { !$0.hasPrefix("late") })
            #expect(inserted > 0)
        }
    }

    private func checkRights(_ scene: ReaderScene) async throws {
        let key = scene.device.key
        let things = scene.stack.client("things", headers: ["Authorization": "Bearer \(scene.token)"])
        struct Thing: Decodable {
            var id: String
            var domainID: String

            private enum CodingKeys: String, CodingKey {
                case id
                case domainID = "domain_id"
            }
        }
        let domain = try await things.get("/things/\(scene.device.thing)").json(Thing.self).domainID

        let basic = Data("\(scene.device.thing):\(key)".utf8).base64EncodedString()
        for authorization in ["Thing \(key)", "Client \(key)", "Basic \(basic)", "Bearer \(scene.token)"] {
            #expect(try await scene.get(scene.path, authorization).status == 200)
            #expect(try await scene.get("/\(domain)\(scene.path)", authorization).status == 200)
            #expect(try await scene.get("/\(DomainID.new())\(scene.path)", authorization).status == 404)
            #expect(try await scene.get("/channels/\(ChannelID.new())/messages", authorization).status == 404)
        }
        let anonymous = try await scene.stack.client("reader-postgres").get(scene.path)
        #expect(anonymous.status == 401)
        #expect(try await scene.get(scene.path, "Thing no such key of anybody").status == 401)
        #expect(try await scene.get(scene.path, "Bearer x.y.z").status == 401)
        #expect(try await scene.get(scene.path, "Digest x").status == 401)

        // Another domain's person sees nothing of it, whatever the role there.
        let stranger = try await scene.strangerToken()
        let foreign = try await scene.get(scene.path, "Bearer \(stranger)")
        #expect(foreign.status == 404)
        #expect(try scene.reason(foreign) == "unknown-channel")
        #expect(try await scene.get("/\(domain)\(scene.path)", "Bearer \(stranger)").status == 404)

        // A thing reads with the right to subscribe, and no longer than it has it.
        for kept in ["publish", "subscribe"] {
            try await scene.keepOnly(kept)
            try await eventually("reading with \(kept) only") {
                try await scene.get(scene.path, "Thing \(key)").status == (kept == "subscribe" ? 200 : 403)
            }
        }
    }
}
