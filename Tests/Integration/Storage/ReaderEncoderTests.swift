// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Testing

@testable import ReaderPostgres

/// What an export writes, byte by byte.
@Suite struct ReaderEncoderTests {
    private static let channel = ChannelID.new()
    private static let thing = ThingID.new()

    private static func record(
        _ name: String, time: Int64, unit: String? = nil, value: Double? = nil, text: String? = nil, flag: Bool? = nil,
        data: [UInt8]? = nil, sum: Double? = nil, updateTime: Double? = nil, subtopic: String = "a.b"
    ) -> StoredMessage {
        StoredMessage(
            position: MessageQuery.Position(time: time, sequence: 1, record: 0), subtopic: subtopic, publisher: thing,
            transport: "mqtt",
            content: .senml(
                StoredMessage.Record(
                    name: name, unit: unit, value: value, stringValue: text, boolValue: flag, dataValue: data,
                    sum: sum, updateTime: updateTime)))
    }

    private static let records = [
        record("a", time: 1_700_000_000_000_000_000, unit: "Cel", value: 21.5),
        record("b", time: 1_700_000_000_000_000_001, value: 1e300),
        record("c", time: 1_700_000_000_500_000_000, text: "say \"no\", or\r\nnot"),
        record("d", time: 1_700_000_001_000_000_000, text: ""),
        record("e", time: 1_700_000_001_000_000_000, flag: false, subtopic: ""),
        record("f", time: 1_700_000_002_000_000_000, data: [0, 255, 254]),
        record("g", time: 1_700_000_003_000_000_000, sum: -0.1, updateTime: 0.25),
    ]

    private func write(_ query: ExportQuery, pages: [[StoredMessage]]) throws -> [UInt8] {
        var encoder = query.makeEncoder()
        var output: [UInt8] = []
        encoder.begin(&output)
        for page in pages { try encoder.append(page, to: &output) }
        encoder.end(&output)
        return output
    }

    private func query(_ form: ExportForm, _ format: MessageFilter.Format = .messages) -> ExportQuery {
        ExportQuery(filter: MessageFilter(channel: Self.channel, format: format), form: form)
    }

    @Test func commaSeparatedValuesAreQuotedWhereTheyMustBe() throws {
        let text = String(decoding: try write(query(.csv), pages: [Self.records]), as: UTF8.self)
        let end = ",\(Self.thing),mqtt\r\n"
        #expect(
            text
                == "time,name,unit,value,string_value,bool_value,data_value,sum,update_time,subtopic,publisher,protocol\r\n"
                + "1700000000,a,Cel,21.5,,,,,,a.b" + end + "1700000000.000000001,b,,1e+300,,,,,,a.b" + end
                + "1700000000.5,c,,,\"say \"\"no\"\", or\r\nnot\",,,,,a.b" + end + "1700000001,d,,,\"\",,,,,a.b" + end
                + "1700000001,e,,,,false,,,,\"\"" + end + "1700000002,f,,,,,AP_-,,,a.b" + end
                + "1700000003,g,,,,,,-0.1,0.25,a.b" + end)
    }

    @Test func documentsAndBlobsHaveTheirOwnColumns() throws {
        let position = MessageQuery.Position(time: 1_700_000_000_123_000_000, sequence: 1, record: 0)
        let document = StoredMessage(
            position: position, subtopic: "a", publisher: Self.thing, transport: "http",
            content: .json(#"{"a": "x,y"}"#))
        var json = query(.csv, .json)
        json.unit = .milliseconds
        #expect(
            String(decoding: try write(json, pages: [[document]]), as: UTF8.self)
                == "created,subtopic,publisher,protocol,payload\r\n1700000000123,a,\(Self.thing),http,\"{\"\"a\"\": \"\"x,y\"\"}\"\r\n"
        )
        let blob = StoredMessage(
            position: position, subtopic: "a", publisher: Self.thing, transport: "http",
            content: .blob(contentType: "image/x", bytes: [1, 2]))
        #expect(
            String(decoding: try write(query(.csv, .blobs), pages: [[blob]]), as: UTF8.self)
                == "created,subtopic,publisher,protocol,content_type,payload\r\n1700000000.123,a,\(Self.thing),http,image/x,AQI=\r\n"
        )
        let line = String(decoding: try write(query(.ndjson, .blobs), pages: [[blob], [blob]]), as: UTF8.self)
        let object =
            #"{"channel":"\#(Self.channel)","subtopic":"a","publisher":"\#(Self.thing)","protocol":"http","created":1700000000.123,"content_type":"image/x","payload":"AQI="}"#
        #expect(line == "\(object)\n\(object)\n")
    }

    /// However the records fall into pages, they are one pack, and our decoder gives back what was stored.
    @Test(arguments: [ExportForm.senmlJSON, .senmlCBOR])
    func packsDecodeAgain(form: ExportForm) throws {
        let many = (0..<300).map {
            Self.record("n\($0)", time: 1_700_000_010_000_000_000 + Int64($0), value: Double($0))
        }
        for pages in [[Self.records], Self.records.map { [$0] }, [Self.records, many], [[], Self.records, []]] {
            let bytes = try write(query(form), pages: pages)
            var decoder = SenMLDecoder()
            var batch = SenMLBatch()
            try decoder.decode(
                ByteBuffer(bytes: bytes), format: form == .senmlJSON ? .json : .cbor, receivedAt: 0, into: &batch)
            #expect(batch.measurements == pages.joined().compactMap(SenMLMeasurement.init))
        }
    }

    @Test func theFormIsTheOneThatTheClientLikesBest() {
        for (header, form) in [
            ("text/csv", .csv), ("application/senml+json", .senmlJSON), ("application/senml+cbor", .senmlCBOR),
            ("*/*", .ndjson), ("application/json, text/csv;q=0.5", .csv),
            ("text/csv;q=0.1, application/senml+cbor;q=0.2", .senmlCBOR),
            ("TEXT/CSV ; Q=1", .csv), ("text/csv;q=0, */*;q=0.1", .ndjson), ("text/csv, application/senml+json", .csv),
            ("image/png", nil), ("", nil), (";;,,", nil), ("text/csv;q=x", nil),
        ] as [(String, ExportForm?)] {
            #expect(ExportForm(accepting: header) == form, "\(header)")
        }
    }
}
