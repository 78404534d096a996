// SPDX-License-Identifier: Apache-2.0
import Messaging
import Testing

/// The examples that RFC 8428 prints.
@Suite struct SenMLExamplesTests {
    private let device = "urn:dev:ow:10e2073a01080063"

    /// Section 5.1.1
    @Test func singleDataPoint() throws {
        let pack = try decode(json: #"[ {"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1} ]"#)
        #expect(pack == [SenMLMeasurement(name: device, unit: "Cel", time: receivedAt, value: .number(23.1))])
    }

    /// Section 5.1.2, the first example
    @Test func multipleDataPoints() throws {
        let pack = try decode(
            json: """
                [
                  {"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},
                  {"n":"current","u":"A","v":1.2}
                ]
                """)
        #expect(
            pack == [
                SenMLMeasurement(name: device + ":voltage", unit: "V", time: receivedAt, value: .number(120.1)),
                SenMLMeasurement(name: device + ":current", unit: "A", time: receivedAt, value: .number(1.2)),
            ])
    }

    /// Section 5.1.2, the second example; its `bver` is 5.
    private static let timedJSON = """
        [
          {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,
           "bu":"A","bver":5,
           "n":"voltage","u":"V","v":120.1},
          {"n":"current","t":-5,"v":1.2},
          {"n":"current","t":-4,"v":1.3},
          {"n":"current","t":-3,"v":1.4},
          {"n":"current","t":-2,"v":1.5},
          {"n":"current","t":-1,"v":1.6},
          {"n":"current","v":1.7}
        ]
        """

    /// In chronological order: the voltage, first in the pack, is as late as the last current.
    private static var timedMeasurements: [SenMLMeasurement] {
        let base: Int64 = 1_276_020_076_001_000_000
        let current = "urn:dev:ow:10e2073a0108006:current"
        var measurements = zip([-5, -4, -3, -2, -1] as [Int64], [1.2, 1.3, 1.4, 1.5, 1.6]).map {
            SenMLMeasurement(name: current, unit: "A", time: base + $0 * second, value: .number($1))
        }
        measurements.append(
            SenMLMeasurement(
                name: "urn:dev:ow:10e2073a0108006:voltage", unit: "V", time: base, value: .number(120.1)))
        measurements.append(SenMLMeasurement(name: current, unit: "A", time: base, value: .number(1.7)))
        return measurements
    }

    @Test func multipleDataPointsInTime() throws {
        #expect(try decode(json: Self.timedJSON) == Self.timedMeasurements)
    }

    /// Section 6: the same pack as CBOR, byte for byte as printed.
    @Test func cborExample() throws {
        let bytes = hexadecimal(
            """
            87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a
            22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06
            66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75
            72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f
            f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e
            74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33
            33 33 33
            """)
        #expect(bytes.count == 0xC3)
        #expect(try decode(bytes, .cbor) == Self.timedMeasurements)
    }

    /// Section 5.1.3
    private static let positions = """
        [
          {"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,
           "bu":"%RH","v":20},
          {"u":"lon","v":24.30621},
          {"u":"lat","v":60.07965},
          {"t":60,"v":20.3},
          {"u":"lon","t":60,"v":24.30622},
          {"u":"lat","t":60,"v":60.07965},
          {"t":120,"v":20.7},
          {"u":"lon","t":120,"v":24.30623},
          {"u":"lat","t":120,"v":60.07966},
          {"u":"%EL","t":150,"v":98},
          {"t":180,"v":21.2},
          {"u":"lon","t":180,"v":24.30628},
          {"u":"lat","t":180,"v":60.07967}
        ]
        """

    /// Section 5.1.4: the pack before, resolved.
    private static let resolved = """
        [
          {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067464e+09,"v":20},
          {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067464e+09,"v":24.30621},
          {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067464e+09,"v":60.07965},
          {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067524e+09,"v":20.3},
          {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067524e+09,"v":24.30622},
          {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067524e+09,"v":60.07965},
          {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067584e+09,"v":20.7},
          {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067584e+09,"v":24.30623},
          {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067584e+09,"v":60.07966},
          {"n":"urn:dev:ow:10e2073a01080063","u":"%EL","t":1.320067614e+09,"v":98},
          {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067644e+09,"v":21.2},
          {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067644e+09,"v":24.30628},
          {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067644e+09,"v":60.07967}
        ]
        """

    @Test func multipleMeasurementsResolveAsPrinted() throws {
        let measurements = try decode(json: Self.positions)
        #expect(measurements.count == 13)
        #expect(measurements == (try decode(json: Self.resolved)))
    }

    /// What we write is what section 5.1.4 prints, but for the notation of the times and the white space.
    @Test func resolvedPackIsWrittenAsPrinted() throws {
        let written = String(decoding: try encode(try decode(json: Self.positions), .json), as: UTF8.self)
        let printed = Self.resolved.filter { !$0.isWhitespace }
            .replacing("1.320067464e+09", with: "1320067464").replacing("1.320067524e+09", with: "1320067524")
            .replacing("1.320067584e+09", with: "1320067584").replacing("1.320067614e+09", with: "1320067614")
            .replacing("1.320067644e+09", with: "1320067644")
        #expect(written == printed)
    }

    /// Section 5.1.5
    @Test func multipleDataTypes() throws {
        let pack = try decode(
            json: """
                [
                  {"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},
                  {"n":"label","vs":"Machine Room"},
                  {"n":"open","vb":false},
                  {"n":"nfv-reader","vd":"aGkgCg"}
                ]
                """)
        #expect(
            pack == [
                SenMLMeasurement(name: device + ":temp", unit: "Cel", time: receivedAt, value: .number(23.1)),
                SenMLMeasurement(name: device + ":label", time: receivedAt, value: .text("Machine Room")),
                SenMLMeasurement(name: device + ":open", time: receivedAt, value: .boolean(false)),
                SenMLMeasurement(name: device + ":nfv-reader", time: receivedAt, value: .data(Array("hi \n".utf8))),
            ])
    }

    /// Section 5.1.6
    @Test func collectionOfResources() throws {
        let pack = try decode(
            json: """
                [
                  {"bn":"2001:db8::2/","bt":1.320078429e+09,
                   "n":"temperature","u":"Cel","v":25.2},
                  {"n":"humidity","u":"%RH","v":30},
                  {"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},
                  {"n":"humidity","u":"%RH","v":67}
                ]
                """)
        let time = 1_320_078_429 * second
        #expect(
            pack == [
                SenMLMeasurement(name: "2001:db8::2/temperature", unit: "Cel", time: time, value: .number(25.2)),
                SenMLMeasurement(name: "2001:db8::2/humidity", unit: "%RH", time: time, value: .number(30)),
                SenMLMeasurement(name: "2001:db8::1/temperature", unit: "Cel", time: time, value: .number(12.3)),
                SenMLMeasurement(name: "2001:db8::1/humidity", unit: "%RH", time: time, value: .number(67)),
            ])
    }

    /// Section 5.1.7, the first example: its first record has a base field only.
    @Test func settingAnActuator() throws {
        let pack = try decode(
            json: """
                [
                  {"bn":"urn:dev:ow:10e2073a01080063:"},
                  {"n":"temp","u":"Cel","v":23.1},
                  {"n":"heat","u":"/","v":1},
                  {"n":"fan","u":"/","v":0}
                ]
                """)
        #expect(pack.map(\.name) == [device + ":temp", device + ":heat", device + ":fan"])
        #expect(pack.map(\.value) == [.number(23.1), .number(1), .number(0)])
    }

    /// Section 5.1.7, the last example: 100 ms after the base time.
    @Test func settingLightsLater() throws {
        let pack = try decode(
            json: """
                [
                  {"bt":1.320078429e+09,"bu":"/","n":"2001:db8::3","v":0.5},
                  {"n":"2001:db8::4","v":0.5},
                  {"n":"2001:db8::3","t":0.1,"v":0},
                  {"n":"2001:db8::4","t":0.1,"v":0}
                ]
                """)
        let time = 1_320_078_429 * second
        #expect(pack.map(\.time) == [time, time, time + 100_000_000, time + 100_000_000])
        #expect(pack.allSatisfy { $0.unit == "/" })
    }
}
