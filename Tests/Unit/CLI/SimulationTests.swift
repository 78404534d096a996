// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Testing

@testable import MartletCLI

@Suite struct SimulationTests {
    @Test func percentilesAreExactWhereTheyCanBeAndNearElsewhere() throws {
        var small = LatencyHistogram()
        for value in (1...100).shuffled() { small.record(microseconds: value) }
        #expect(small.percentile(0.5) == 50)
        #expect(small.percentile(0.99) == 99)
        #expect(small.percentile(1) == 100)
        #expect(small.percentile(0.001) == 1)
        #expect(LatencyHistogram().percentile(0.5) == nil)

        var generator = SeededGenerator(seed: 42)
        var values: [Int] = []
        var histogram = LatencyHistogram()
        for _ in 0..<20_000 {
            let value = Int(exp2(Double.random(in: 0...30, using: &generator)))
            values.append(value)
            histogram.record(microseconds: value)
        }
        values.sort()
        for share in [0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1] {
            let exact = values[max(0, Int((share * Double(values.count)).rounded(.up)) - 1)]
            let found = try #require(histogram.percentile(share))
            #expect(
                found >= exact && Double(found) <= Double(exact) * (1 + 1.0 / 64) + 1, "\(share): \(found) for \(exact)"
            )
        }
        #expect(histogram.maximum == values.last)
    }

    @Test func durationsOutOfRangeAreCountedAtTheEnds() {
        var histogram = LatencyHistogram()
        histogram.record(microseconds: -5)
        histogram.record(microseconds: .max)
        #expect(histogram.percentile(0.5) == 0)
        #expect(histogram.maximum == .max)
        #expect(histogram.percentile(1) != nil)
    }

    @Test func sumsDoNotDependOnTheOrder() {
        var forward = NamedTotals()
        var backward = NamedTotals()
        let values = (0..<10_000).map { 0.1 * Double($0) - 300 } + [1e15, -1e15]
        for value in values { forward.add("x", value) }
        for value in values.reversed() { backward.add("x", value) }
        let exact = (0..<10_000).reduce(0.0) { $0 + 0.1 * Double($1) - 300 }
        for totals in [forward, backward] {
            #expect(abs((totals.totals["x"]?.value ?? .nan) - exact) <= 1e-6)
        }
    }

    @Test func differencesAreFoundAndWhatWasThereBeforeIsNotOne() throws {
        var before = NamedTotals()
        before.add("a", 5)
        var sent = NamedTotals()
        for value in [1.5, 2.5] { sent.add("a", value) }
        sent.add("b", 7)
        var stored = before
        for value in [2.5, 1.5] { stored.add("a", value) }
        stored.add("b", 7)
        stored.add("of somebody else", 1)
        #expect(sent.differences(stored: stored, before: before).isEmpty)
        stored.add("b", 7)
        let twice = try #require(sent.differences(stored: stored, before: before).first)
        #expect(twice.name == "b" && twice.storedCount == 2)
        // The same count, another sum.
        var wrong = before
        wrong.add("a", 1.5)
        wrong.add("a", 2.6)
        wrong.add("b", 7)
        #expect(sent.differences(stored: wrong, before: before).map(\.name) == ["a"])
        #expect(sent.differences(stored: before, before: before).map(\.name) == ["a", "b"])
    }

    @Test(arguments: [
        ("t=sine:21,4,60[Cel]", Signal.Shape.sine(mean: 21, amplitude: 4, periodSeconds: 60), "Cel" as String?),
        ("h=walk:50,0.5", .walk(start: 50, step: 0.5), nil), ("c=counter:-1,.5", .counter(start: -1, step: 0.5), nil),
    ])
    func signalsAreRead(text: String, shape: Signal.Shape, unit: String?) throws {
        let signal = try Signal(text)
        #expect(signal.shape == shape)
        #expect(signal.unit == unit)
    }

    @Test(arguments: [
        "t=21", "t=sine:1,2", "t=sine:1,2,0", "t=saw:1,2", "t=walk:a,b", "t=walk:1,2,3", "=walk:1,2", "t=counter:1,",
    ])
    func signalsThatAreNoneAreRefused(text: String) {
        #expect(throws: CommandFailure.self) { try Signal(text) }
    }

    private func plan(_ arguments: [String], devices: Int = 1) throws -> SignalSource {
        try SignalOptions.parse(arguments).source(devices: devices, baseName: "d{n}:")
    }

    private func all(_ source: SignalSource, limit: Int = 100_000) throws -> [SimulatedMessage] {
        var source = source
        var messages: [SimulatedMessage] = []
        while messages.count < limit, let message = try source.next() { messages.append(message) }
        return messages
    }

    @Test func devicesTakeTurnsAtTheirRate() throws {
        let source = try plan(["--signal", "c=counter:0,1", "--rate", "2", "--count", "3", "--ramp", "1"], devices: 2)
        #expect(source.total == 6)
        let messages = try all(source)
        #expect(messages.map(\.device) == [0, 0, 1, 0, 1, 1])
        #expect(messages.map(\.due) == [0, 0.5, 0.5, 1, 1, 1.5].map { .seconds($0) })
        #expect(messages.map { $0.readings[0].value } == [0, 1, 0, 2, 1, 2])
        #expect(messages.map { $0.readings[0].name } == ["d1:c", "d1:c", "d2:c", "d1:c", "d2:c", "d2:c"])
    }

    @Test func jitterMovesWithinTheIntervalAndKeepsTheOrder() throws {
        let messages = try all(plan(["--rate", "1", "--count", "200", "--jitter", "1"], devices: 3))
        #expect(messages.count == 600)
        let dues = messages.compactMap(\.due)
        #expect(dues == dues.sorted())
        for device in 0..<3 {
            let own = messages.filter { $0.device == device }.compactMap(\.due)
            for (index, due) in own.enumerated() {
                #expect(abs(due / .seconds(1) - Double(index)) <= 0.5 + 1e-9)
            }
        }
    }

    @Test func durationEndsItAndTheSameSeedSaysTheSame() throws {
        let arguments = ["--rate", "10", "--duration", "2s", "--seed", "7"]
        let first = try all(plan(arguments, devices: 2))
        #expect(first.count == 40)
        #expect(try plan(arguments, devices: 2).total == 40)
        let second = try all(plan(arguments, devices: 2))
        #expect(first.map(\.readings) == second.map(\.readings))
        let other = try all(plan(["--rate", "10", "--duration", "2s", "--seed", "8"], devices: 2))
        #expect(first.map(\.readings) != other.map(\.readings))
    }

    @Test func withoutARateNothingWaitsAndDevicesStillTakeTurns() throws {
        let messages = try all(plan(["--rate", "0", "--count", "2"], devices: 3))
        #expect(messages.map(\.device) == [0, 1, 2, 0, 1, 2])
        #expect(messages.allSatisfy { $0.due == nil })
    }

    @Test(arguments: [("90s", 90.0), ("5m", 300), ("1.5h", 5_400), ("2d", 172_800), ("7", 7)])
    func spansAreRead(text: String, seconds: Double) throws {
        #expect(try SpanArgument.seconds(text) == seconds)
    }

    @Test(arguments: ["", "m", "-5s", "5 m", "1e99s", "soon"])
    func spansThatAreNoneAreRefused(text: String) {
        #expect(throws: CommandFailure.self) { try SpanArgument.seconds(text) }
    }

    @Test func reportTellsHowItWent() {
        var report = SimulationReport(
            tally: SimulationTally(), seconds: 1, devices: 1, channel: "c", differences: nil, isKept: false)
        #expect(report.status == .refused)
        report.tally.accepted = 3
        #expect(report.status == .done)
        report.tally.refused["thing-rate-limit"] = 1
        #expect(report.status == .partial)
        var sent = NamedTotals()
        sent.add("a", 1)
        report.differences = sent.differences(stored: NamedTotals(), before: NamedTotals())
        #expect(report.status == .refused)
        #expect(report.json["verified"]?["agrees"] == .bool(false))
        #expect(report.json["refused"]?["thing-rate-limit"]?.integer == 1)
    }
}
