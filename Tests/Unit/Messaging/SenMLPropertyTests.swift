// SPDX-License-Identifier: Apache-2.0
import Fuzz
import Messaging
import NIOCore
import Testing

/// Properties over many inputs, from fixed seeds.
@Suite struct SenMLPropertyTests {
    private func measurement(_ random: inout SeededRandom) -> SenMLMeasurement {
        let value: SenMLMeasurement.Value? =
            switch Int.random(in: 0..<6, using: &random) {
            case 0: .text(["", "on", "é\n\"\\\u{0}😀", "\u{7F}\u{1F}"].randomElement(using: &random) ?? "")
            case 1: .boolean(Bool.random(using: &random))
            case 2:
                .data(
                    (0..<Int.random(in: 0...9, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
            case 3: .number(Double(Int.random(in: -1000...1000, using: &random)) / 8)
            case 4: nil
            default: .number(finite(&random))
            }
        let hasSum = value == nil || Bool.random(using: &random)
        return SenMLMeasurement(
            name: ["a", "urn:dev:1/x_y.z", "0-:"].randomElement(using: &random) ?? "a",
            unit: [nil, "Cel", "µ\"m"].randomElement(using: &random) ?? nil,
            time: Int64.random(in: SenMLDecoder.absoluteTimeThreshold...Int64.max, using: &random), value: value,
            sum: hasSum ? finite(&random) : nil,
            updateTime: Bool.random(using: &random) ? Int64.random(in: 0...1 << 40, using: &random) : nil)
    }

    private func finite(_ random: inout SeededRandom) -> Double {
        let value = Double(bitPattern: random.next())
        return value.isFinite ? value : 0
    }

    @Test(arguments: SenMLFormat.allCases)
    func decodingWhatWasEncodedGivesTheSame(format: SenMLFormat) throws {
        var random = SeededRandom(seed: 42)
        for _ in 0..<3000 {
            var measurements = (0..<Int.random(in: 1...6, using: &random)).map { _ in measurement(&random) }
            measurements.sort { $0.time < $1.time }
            let bytes = try encode(measurements, format)
            let again = try decode(bytes, format)
            // By text, so that -0 is not taken for 0.
            #expect(String(describing: again) == String(describing: measurements))
        }
    }

    @Test(arguments: SenMLFormat.allCases)
    func everyTruncationOfAPackIsAnError(format: SenMLFormat) throws {
        var random = SeededRandom(seed: 43)
        for _ in 0..<100 {
            let bytes = try encode((0..<3).map { _ in measurement(&random) }, format)
            for length in 0..<bytes.count {
                #expect(throws: SenMLError.self) { try decode(Array(bytes[..<length]), format) }
            }
        }
    }

    @Test func encoderRefusesWhatNoPackMayHold() {
        func refusal(_ measurement: SenMLMeasurement) -> SenMLError.Kind? {
            do {
                _ = try encode([measurement], .json)
                return nil
            } catch {
                return (error as? SenMLError)?.kind
            }
        }
        #expect(refusal(SenMLMeasurement(name: "a", time: 0, value: .number(.nan))) == .numberOutOfRange(.value))
        #expect(refusal(SenMLMeasurement(name: "a", time: 0, value: nil, sum: .infinity)) == .numberOutOfRange(.sum))
        #expect(refusal(SenMLMeasurement(name: "a", time: 0, value: nil)) == .missingValue)
        #expect(refusal(SenMLMeasurement(name: "", time: 0, value: .number(1))) == .missingName)
        #expect(refusal(SenMLMeasurement(name: "a b", time: 0, value: .number(1))) == .nameCharacter)
        #expect(refusal(SenMLMeasurement(name: "_", time: 0, value: .number(1))) == .nameStart)
        #expect(throws: SenMLError.self) { try encode([], .cbor) }
    }

    /// The `fuzz` executable's targets, few inputs each: validate against decode, round trips, the JSON grammar, paths and envelopes.
    @Test(arguments: FuzzTargets.all.map(\.name))
    func fuzzesWithoutDisagreement(name: String) throws {
        let target = try #require(FuzzTargets.all.first { $0.name == name })
        let totals = try FuzzRun(target: target, seed: 2026).run(iterations: 5000)
        #expect(totals.accepted > totals.inputs / 50)
        #expect(totals.accepted < totals.inputs)
        // The same seed does the same again.
        #expect(try FuzzRun(target: target, seed: 2026).run(iterations: 5000) == totals)
    }

    /// A run must be able to fail.
    @Test func fuzzingFindsADisagreement() throws {
        #expect(throws: FuzzRun.Failure.self) { try FuzzRun(target: Broken(), seed: 1).run(iterations: 1000) }
    }

    private struct Broken: FuzzTarget {
        let name = "broken"
        let seeds: [[UInt8]] = [[1, 2, 3]]
        let dictionary: [[UInt8]] = []
        func generate(_ random: inout SeededRandom) -> [UInt8] { [UInt8(truncatingIfNeeded: random.next())] }
        func check(_ input: [UInt8]) throws(Disagreement) -> Bool {
            if input.first == 0x80 { throw Disagreement("found") }
            return true
        }
    }
}
