// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// How fast the codecs are on one core; meaningful in a release build only.
enum Bench {
    private static let receivedAt: Int64 = 1_767_225_600_000_000_000
    private static let duration = Duration.milliseconds(1500)

    static func run() {
        let air = airQualityPack()
        var cbor = ByteBuffer()
        var batch = SenMLBatch()
        var decoder = SenMLDecoder()
        _ = try? decoder.decode(air, format: .json, receivedAt: receivedAt, into: &batch)
        try? SenMLEncoder.encode(batch, format: .cbor, into: &cbor)
        let single = ByteBuffer(string: #"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#)
        senml("air quality (13 records, JSON)", air, .json)
        senml("air quality, resolved (CBOR)", cbor, .cbor)
        senml("single record (JSON)", single, .json)
        validateJSON("air quality", air)
        envelope(payload: air)
        MQTTBench.run()
    }

    /// One row of the air-quality data set as a gateway sends it.
    private static func airQualityPack() -> ByteBuffer {
        let columns = [
            ("co-gt", "2.6"), ("pt08-s1-co", "1360"), ("nmhc-gt", "150"), ("c6h6-gt", "11.9"), ("pt08-s2-nmhc", "1046"),
            ("nox-gt", "166"), ("pt08-s3-nox", "1056"), ("no2-gt", "113"), ("pt08-s4-no2", "1692"),
            ("pt08-s5-o3", "1268"), ("t", "13.6"), ("rh", "48.9"), ("ah", "0.7578"),
        ]
        var text = #"[{"bn":"air-quality-uci:","bt":1078941600,"#
        for (index, column) in columns.enumerated() {
            text += index == 0 ? "" : ",{"
            text += #""n":"\#(column.0)","v":\#(column.1)}"#
        }
        return ByteBuffer(string: text + "]")
    }

    private static func senml(_ name: String, _ payload: ByteBuffer, _ format: SenMLFormat) {
        var decoder = SenMLDecoder()
        var batch = SenMLBatch()
        var records = 0
        let decoding = measure {
            batch.removeAll()
            _ = try? decoder.decode(payload, format: format, receivedAt: receivedAt, into: &batch)
            records = batch.count
        }
        let validating = measure {
            records = (try? decoder.validate(payload, format: format, receivedAt: receivedAt)) ?? 0
        }
        report("decode \(name)", decoding, records: records)
        report("validate \(name)", validating, records: records)
    }

    private static func validateJSON(_ name: String, _ payload: ByteBuffer) {
        let nanoseconds = measure { try? JSONValidator.validate(payload) }
        print("JSON validator, \(name): \(rounded(nanoseconds)) ns, \(payload.readableBytes) bytes")
    }

    private static func envelope(payload: ByteBuffer) {
        let message = RawMessage(
            domain: .new(), channel: .new(), subtopic: "building.1.room.2", publisher: .new(), transport: .http,
            contentType: .senmlJSON, created: receivedAt, payload: payload)
        var buffer = ByteBuffer()
        let encoding = measure {
            buffer.clear()
            message.encode(into: &buffer)
        }
        var length = 0
        let decoding = measure { length += (try? RawMessage(decoding: buffer))?.payload.readableBytes ?? 0 }
        let viewing = measure { length += (try? RawMessageView(decoding: buffer))?.payload.readableBytes ?? 0 }
        print(
            "RawMessage of \(buffer.readableBytes) bytes: encode \(rounded(encoding)) ns, decode \(rounded(decoding)) ns,"
                + " view \(rounded(viewing)) ns")
        let path = ByteBuffer(string: "/channels/\(message.channel)/messages/building/1/room/2")
        let parsing = measure {
            path.withUnsafeReadableBytes {
                length += (try? MessagePath.publish($0, notation: .http))?.subtopic.utf8.count ?? 0
            }
        }
        print("path: \(rounded(parsing)) ns")
        if length == 0 { print("nothing was decoded") }
    }

    /// Mean nanoseconds of one call.
    static func measure(_ body: () -> Void) -> Double {
        let clock = ContinuousClock()
        for _ in 0..<1000 { body() }
        var calls = 0
        let start = clock.now
        repeat {
            for _ in 0..<1000 { body() }
            calls += 1000
        } while clock.now - start < duration
        let elapsed = clock.now - start
        return Double(elapsed.components.seconds) * 1e9 / Double(calls)
            + Double(elapsed.components.attoseconds) * 1e-9 / Double(calls)
    }

    private static func report(_ name: String, _ nanoseconds: Double, records: Int) {
        let rate = Double(records) / nanoseconds * 1e3
        print("\(name): \(rounded(nanoseconds)) ns a pack, \(rounded(rate)) million records/s")
    }

    static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
