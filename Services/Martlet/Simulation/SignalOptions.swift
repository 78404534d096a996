// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Made-up measurements.
struct SignalOptions: ParsableArguments {
    @Option(
        name: .customLong("signal"),
        help: ArgumentHelp(
            "name=sine:mean,amplitude,seconds[unit], name=walk:start,step[unit] or name=counter:start,step[unit]; may be repeated.",
            valueName: "signal"))
    var signals: [String] = []
    @Option(
        help: ArgumentHelp("Messages a second of each device; 0: as fast as they are accepted.", valueName: "messages"))
    var rate = 1.0
    @Option(help: ArgumentHelp("Let the devices begin one after the other over this long: 30s, 5m.", valueName: "time"))
    var ramp: String?
    @Option(help: ArgumentHelp("How much of an interval a message may be early or late, 0 to 1.", valueName: "share"))
    var jitter = 0.0
    @Option(help: ArgumentHelp("End after this long: 90s, 5m, 2h.", valueName: "time"))
    var duration: String?
    @Option(help: ArgumentHelp("End after so many messages of each device.", valueName: "messages"))
    var count: Int?
    @Option(help: ArgumentHelp("The same seed makes the same values.", valueName: "number"))
    var seed: UInt64 = 1

    func validate() throws {
        guard rate >= 0, rate <= 1e6 else { throw ValidationError("--rate must be from 0 to 1000000.") }
        guard (0...1).contains(jitter) else { throw ValidationError("--jitter must be from 0 to 1.") }
        if let count, !(1...1_000_000_000).contains(count) {
            throw ValidationError("--count must be from 1 to 1000000000.")
        }
    }

    func source(devices: Int, baseName: String) throws -> SignalSource {
        SignalSource(
            SignalSource.Plan(
                signals: try (signals.isEmpty ? Signal.usual : signals).map { try Signal($0) }, devices: devices,
                baseName: baseName, rate: rate, rampSeconds: try ramp.map(SpanArgument.seconds) ?? 0, jitter: jitter,
                count: count, durationSeconds: try duration.map(SpanArgument.seconds), seed: seed))
    }
}
