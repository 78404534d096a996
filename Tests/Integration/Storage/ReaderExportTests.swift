// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore
import Postgres
import TestKit
import Testing

/// Exports over HTTP, through the real programs: whole ones in every form, and those that cannot be finished.
@Suite(.serialized) struct ReaderExportTests {
    @Test func everyFormHoldsEverything() async throws {
        let scene = try await ReaderScene.make()
        try await scene.publish(
            """
            [{"bn":"s:","bt":1700000000,"n":"a","u":"Cel","v":0},{"n":"b","v":-1.5,"t":1.25},{"n":"c","vb":false,"t":2},
             {"n":"e","vs":"a,\\"b\\"\\r\\n","t":4},{"n":"f","vd":"AP_-","t":5},{"n":"g","s":3,"ut":60,"t":6.123456789}]
            """, subtopic: "hall.two", storing: 6)
        try await scene.publish(
            #"[{"n":"x","v":10,"bt":1600000000}]"#, transport: .mqtt, publisher: .new(), storing: 1)
        // Before times can be told from relative ones.
        try await scene.publish(
            #"[{"n":"early","v":1,"t":-1700000000}]"#, created: 1_700_000_100_000_000_000, storing: 1)
        try await scene.publish(#"{"a":[1,2.50,"ü"]}"#, .json, subtopic: "doc", storing: 1)
        try await scene.publish("\u{1}\u{2}", .other("image/x"), storing: 1)
        try await checkForms(scene)
        try await checkPacks(scene)
        try await checkFilters(scene)
        try await checkRefusals(scene)
        try await scene.stop()
    }

    private static func path(_ scene: ReaderScene) -> String { "/channels/\(scene.channel)/export" }

    private func checkForms(_ scene: ReaderScene) async throws {
        let lines = try Stack.expect(200, await scene.get(Self.path(scene)), "ndjson")
        #expect(lines.headers["content-type"] == "application/x-ndjson")
        #expect(lines.headers["transfer-encoding"] == "chunked")
        #expect(lines.headers["content-disposition"] == "attachment; filename=\"\(scene.channel).ndjson\"")
        // The same objects as in a page.
        let page = try await scene.get("\(scene.path)?dir=asc").text
        let objects = lines.text.split(separator: "\n")
        #expect(objects.count == 8)
        #expect(page.hasSuffix(#""messages":[\#(objects.joined(separator: ","))]}"#))
        let newest = try await scene.get("\(Self.path(scene))?dir=desc").text
        #expect(newest.split(separator: "\n") == objects.reversed())

        let csv = try await scene.get("\(Self.path(scene))?as=csv&time_unit=ms")
        #expect(csv.headers["content-type"] == "text/csv; charset=utf-8; header=present")
        #expect(csv.text.hasPrefix("time,name,unit,value,"))
        #expect(
            csv.text.contains("\r\n1700000004000,s:e,,,\"a,\"\"b\"\"\r\n\",,,,,hall.two,\(scene.device.thing),http\r\n")
        )
        #expect(csv.text.components(separatedBy: "\r\n").count == 11)

        let json = try await scene.get("\(Self.path(scene))?format=json").text
        #expect(json.contains(#""subtopic":"doc","#) && json.hasSuffix("\"payload\":{\"a\": [1, 2.50, \"ü\"]}}\n"))
        #expect(try await scene.get("\(Self.path(scene))?format=blobs&as=csv").text.hasSuffix(",http,image/x,AQI=\r\n"))
    }

    /// What is written decodes again, by our own decoder, to what was stored.
    private func checkPacks(_ scene: ReaderScene) async throws {
        for (accept, format) in [("application/senml+json", SenMLFormat.json), ("application/senml+cbor", .cbor)] {
            let response = try await scene.stack.client("reader-postgres").get(
                Self.path(scene), headers: ["Authorization": "Bearer \(scene.token)", "Accept": "\(accept), */*;q=0.1"])
            #expect(response.status == 200)
            #expect(response.headers["content-type"] == accept)
            var decoder = SenMLDecoder()
            var batch = SenMLBatch()
            try decoder.decode(ByteBuffer(bytes: response.body), format: format, receivedAt: 0, into: &batch)
            let start: Int64 = 1_700_000_000_000_000_000
            #expect(
                batch.measurements == [
                    SenMLMeasurement(name: "x", time: 1_600_000_000_000_000_000, value: .number(10)),
                    SenMLMeasurement(name: "s:a", unit: "Cel", time: start, value: .number(0)),
                    SenMLMeasurement(name: "s:b", time: start + 1_250_000_000, value: .number(-1.5)),
                    SenMLMeasurement(name: "s:c", time: start + 2_000_000_000, value: .boolean(false)),
                    SenMLMeasurement(name: "s:e", time: start + 4_000_000_000, value: .text("a,\"b\"\r\n")),
                    SenMLMeasurement(name: "s:f", time: start + 5_000_000_000, value: .data([0, 255, 254])),
                    SenMLMeasurement(
                        name: "s:g", time: start + 6_123_456_789, value: nil, sum: 3, updateTime: 60_000_000_000),
                ])
            // SenML has no empty pack.
            let empty = try await scene.get(
                "\(Self.path(scene))?name=none&as=\(format == .json ? "senml-json" : "senml-cbor")")
            #expect(empty.status == 204)
            #expect(empty.body.isEmpty)
        }
        #expect(try await scene.get("\(Self.path(scene))?name=none").body.isEmpty)
        #expect(try await scene.get("\(Self.path(scene))?name=none&as=csv").text.hasSuffix("protocol\r\n"))
    }

    private func checkFilters(_ scene: ReaderScene) async throws {
        for (query, names) in [
            ("name=s:a", ["s:a"]), ("subtopic=hall/two&from=1700000004", ["s:e", "s:f", "s:g"]),
            ("protocol=mqtt", ["x"]), ("publisher=\(scene.device.thing)&to=1700000001", ["early", "s:a"]),
            ("v=0", ["s:a"]), ("v=0&comparator=lt", ["s:b"]), ("vb=false", ["s:c"]), ("vd=AP_-", ["s:f"]),
            ("vs=x", []), ("from=1700000000000&to=1700000001500&time_unit=ms", ["s:a", "s:b"]),
        ] {
            let lines = try Stack.expect(200, await scene.get("\(Self.path(scene))?\(query)"), query).text
            let found = try lines.split(separator: "\n").map {
                try JSONDecoder().decode(ReaderScene.Page.Message.self, from: Data($0.utf8)).name
            }
            #expect(found == names, "\(query)")
        }
    }

    private func checkRefusals(_ scene: ReaderScene) async throws {
        for query in [
            "as=xml", "as=", "dir=up", "limit=5", "offset=1", "cursor=x", "total=true", "order=name",
            "aggregation=avg&from=0", "as=senml-json&dir=desc", "as=senml-cbor&format=json",
            "as=senml-json&time_unit=ms",
            "format=x", "from=x", "v=nan", "format=json&name=x", "name=%00",
        ] {
            let response = try await scene.get("\(Self.path(scene))?\(query)")
            #expect(response.status == 400, "\(query): \(response.text)")
            #expect(response.problem != nil)
        }
        let image = try await scene.stack.client("reader-postgres").get(
            Self.path(scene), headers: ["Authorization": "Bearer \(scene.token)", "Accept": "image/png"])
        #expect(image.problem?.reason == "not-acceptable")
        let escaped = try #require("' OR '1'='1".addingPercentEncoding(withAllowedCharacters: .alphanumerics))
        #expect(try await scene.get("\(Self.path(scene))?name=\(escaped)").body.isEmpty)

        #expect(try await scene.get(Self.path(scene), "Thing nobody's key").status == 401)
        #expect(try await scene.get("/channels/\(ChannelID.new())/export").status == 404)
        #expect(try await scene.get(Self.path(scene), "Bearer \(try await scene.strangerToken())").status == 404)
        #expect(try await scene.get("/\(DomainID.new())\(Self.path(scene))").status == 404)
        try await scene.keepOnly("publish")
        try await eventually("exporting with the right to publish only") {
            try await scene.get(Self.path(scene), "Thing \(scene.device.key)").status == 403
        }
    }

    // MARK: Long ones

    private static let rows = 150_000

    /// A stream that is longer than all buffers on the way, to a client that takes its time.
    @Test func longExportsAreWholeOrSeenToBeCut() async throws {
        let scene = try await ReaderScene.make(settings: [
            "reader-postgres": ["MARTLET_READER_POSTGRES_EXPORTS_MAXIMUM": "2"]
        ])
        try await fill(scene)
        try await checkSlowClients(scene)
        try await checkRestart(scene)
        try await checkRevocation(scene)
        try await scene.stop()
    }

    private func fill(_ scene: ReaderScene) async throws {
        try await scene.publish(#"[{"n":"first","v":1,"bt":1600000000}]"#, storing: 1)
        try await scene.stack.database.execute(
            """
            INSERT INTO messages.senml (time, sequence, record, channel, domain, publisher, subtopic, protocol, name, value)
            SELECT 1700000000000000000 + i * 1000000, i, 0, \(scene.channel), md5('d')::uuid, md5('p')::uuid, 'hall', 'http',
                'sensor-' || i % 100, i
            FROM generate_series(1::bigint, \(Int64(Self.rows))) AS i
            """)
    }

    /// While two clients take nothing, their exports hold no connection to the database and are the last that begin; then both get everything.
    private func checkSlowClients(_ scene: ReaderScene) async throws {
        let clients = try (0..<2).map { _ in try start(scene, "as=ndjson") }
        try await eventually("both run") {
            try await scene.stack.metric("reader-postgres", "martlet_reader_exports_running") == 2
        }
        let refused = try await scene.get(Self.path(scene))
        #expect(refused.status == 503)
        #expect(refused.headers["retry-after"] != nil)
        #expect(refused.problem?.reason == "too-many-exports")
        // What they hold would show as a session that is not idle, or in a transaction.
        try await eventually("the database is idle") {
            let busy = try await scene.stack.database.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reader-postgres' AND state <> 'idle'")
            return try busy.first?.decode(Int.self, at: 0) == 0
        }
        #expect(try await scene.page("limit=1").messages.count == 1)
        for client in clients {
            let answer = ChunkedAnswer(try client.receiveToEnd())
            #expect(answer.isWhole)
            #expect(answer.lines == Self.rows + 1)
        }
        try await eventually("none runs") {
            try await scene.stack.metric("reader-postgres", "martlet_reader_exports_running") == 0
        }
        #expect(
            try await scene.stack.metric(
                "reader-postgres", #"martlet_reader_exports_total{form="ndjson",outcome="complete"}"#) == 2)
        // And one that goes away is no longer counted.
        try start(scene, "as=csv").close()
        try await eventually("the one that went away has ended") {
            try await scene.stack.metric(
                "reader-postgres", #"martlet_reader_exports_total{form="csv",outcome="abandoned"}"#) == 1
        }
    }

    /// The database goes away and comes back in the middle of it: the export waits and goes on where it was.
    private func checkRestart(_ scene: ReaderScene) async throws {
        async let answer = scene.get("\(Self.path(scene))?as=senml-json")
        try await eventually("the export runs") {
            try await scene.stack.metric("reader-postgres", "martlet_reader_exports_running") == 1
        }
        try await scene.stack.cluster.restart()
        let response = try await answer
        #expect(response.status == 200)
        #expect(response.body.count { $0 == UInt8(ascii: "{") } == Self.rows + 1)
        var decoder = SenMLDecoder()
        // Larger than a pack that a device may send; the numbers say that none is missing and none twice.
        let parts = response.text.dropFirst().dropLast().components(separatedBy: "},{")
        #expect(parts.count == Self.rows + 1)
        for part in [parts[0] + "}", "{" + parts[1] + "}", "{" + parts[Self.rows]] {
            try decoder.validate(ByteBuffer(string: "[\(part)]"), format: .json, receivedAt: 0)
        }
        #expect(parts[Self.rows].hasSuffix(#""v":\#(Self.rows)}"#))
    }

    /// The right is taken back in the middle of it: the stream ends without its last chunk.
    private func checkRevocation(_ scene: ReaderScene) async throws {
        let client = try start(scene, "as=ndjson", "Thing \(scene.device.key)")
        try await eventually("the export runs") {
            try await scene.stack.metric("reader-postgres", "martlet_reader_exports_running") == 1
        }
        try await scene.keepOnly("publish")
        try await eventually("the right is gone") {
            try await scene.get(scene.path, "Thing \(scene.device.key)").status == 403
        }
        let answer = ChunkedAnswer(try client.receiveToEnd())
        #expect(answer.status == "200")
        #expect(!answer.isWhole)
        #expect(answer.lines < Self.rows + 1)
        try await eventually("it is counted") {
            try await scene.stack.metric(
                "reader-postgres", #"martlet_reader_exports_total{form="ndjson",outcome="failed"}"#) == 1
        }
    }

    /// Asks, and reads nothing yet.
    private func start(
        _ scene: ReaderScene, _ query: String, _ authorization: String? = nil
    ) throws -> BlockingHTTPConnection {
        let client = BlockingHTTPConnection(port: scene.stack.ports["reader-postgres"] ?? 0, timeoutSeconds: 60)
        try client.send(
            raw: Array(
                "GET \(Self.path(scene))?\(query) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: \(authorization ?? "Bearer \(scene.token)")\r\n\r\n"
                    .utf8))
        return client
    }
}
