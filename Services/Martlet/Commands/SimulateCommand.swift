// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet simulate`
struct SimulateCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Devices that are not there: made-up signals, or a CSV file replayed.",
        discussion: """
            A hundred devices, each with a message a second, for a minute; what they were is removed behind them:

              martlet simulate --devices 100 --duration 1m --ramp 10s --jitter 0.5

            Your own signals, on a channel and as a thing that are there:

              martlet simulate --channel hall-2 --thing boiler-7 --count 60 \\
                --signal 'temperature=sine:71,4,60[Cel]' --signal 'level=walk:50,0.5[%FILL]' --signal 'strokes=counter:0,1'

            A year of readings, as fast as they are accepted, and read back to see that nothing is missing or there twice:

              martlet simulate --csv air-quality.csv --time-columns Date,Time --time-format '%m/%d/%Y %H:%M:%S' \\
                --missing -200 --base-name station-1: --verify

            A message that gets no answer is sent again with the same idempotency key: it is never stored twice. Devices that speak MQTT (--protocol mqtt) have \
            QoS 2 for that, and send one message after the other.
            """)

    @OptionGroup(title: "Who sends, and where") var target: SimulationTarget
    @OptionGroup(title: "Made-up signals") var signals: SignalOptions
    @OptionGroup(title: "A CSV file") var csv: CSVOptions
    @Option(
        help: ArgumentHelp(
            "Before every name; {n} is the device's number. Default: device-{n}: for signals, nothing for CSV.",
            valueName: "name"))
    var baseName: String?
    @Option(help: ArgumentHelp("How many messages may be under way at once.", valueName: "messages"))
    var inFlight = 32
    @Option(help: ArgumentHelp("How often a message may be sent again.", valueName: "count"))
    var retries = 10
    @Flag(help: "Read everything back and compare counts and sums of every name.")
    var verify = false
    @OptionGroup var options: GlobalOptions

    var connections: Int { inFlight }

    func validate() throws {
        guard (1...4096).contains(inFlight) else { throw ValidationError("--in-flight must be from 1 to 4096.") }
        guard (0...1000).contains(retries) else { throw ValidationError("--retries must be from 0 to 1000.") }
        if csv.csv != nil, target.devices != 1 { throw ValidationError("A CSV file is one device's.") }
    }

    func execute(_ context: CommandContext) async throws {
        _ = try target.mqttServer(context)
        // What is wrong with the arguments or the file is told before anything is made.
        if let path = csv.csv {
            try await run(csv.source(path, baseName: baseName ?? ""), context)
        } else {
            try await run(signals.source(devices: target.devices, baseName: baseName ?? "device-{n}:"), context)
        }
    }

    private func run(_ source: some SimulationSource, _ context: CommandContext) async throws {
        let fleet = try await Fleet.make(
            context, channel: target.channel, device: target.device(context), count: target.devices)
        let outcome: Result<SimulationReport, any Error>
        do {
            outcome = .success(try await simulate(source, fleet, context))
        } catch {
            outcome = .failure(error)
        }
        // A task of its own: when Ctrl-C has cancelled this one, what was made must be taken away all the same.
        if !target.keep { await Task { await fleet.remove(context) }.value }
        let report = try outcome.get()
        report.show(context.console)
        let status = Task.isCancelled ? .interrupted : report.status
        if status != .done { throw ExitRequest(status: status) }
    }

    private func simulate(
        _ source: some SimulationSource, _ fleet: Fleet, _ context: CommandContext
    ) async throws -> SimulationReport {
        let verification = verify ? try await Verification(fleet, context) : nil
        // Things that were there before may have sent before.
        let before =
            fleet.createdThings.isEmpty && !fleet.createdChannel
            ? try await verification?.totals() ?? NamedTotals() : NamedTotals()
        let tally = SharedTally()
        let sender = fleet.sender(context.client, over: try target.mqttServer(context))
        let began = ContinuousClock.now
        let progress = SimulationProgress(tally: tally, total: source.total, terminal: context.console.errors)
        try await progress.during {
            do {
                try await fleet.send(
                    source, subtopic: target.subtopic, inFlight: inFlight, retries: retries, sender, tally)
            } catch is CancellationError {
                // Ctrl-C is how a simulation without an end ends: its summary follows.
            }
        }
        let elapsed = ContinuousClock.now - began
        // A task of its own, as above: sessions that are left behind would wait for their clients.
        await Task { await sender.close() }.value
        var report = SimulationReport(
            tally: tally.now, seconds: elapsed / .seconds(1), devices: fleet.devices.count, channel: fleet.channel,
            differences: nil, isKept: target.keep || !fleet.createdChannel)
        if let verification, !Task.isCancelled {
            var bar = ProgressBar(terminal: context.console.errors)
            defer { bar.clear() }
            let expected = before.count + report.tally.totals.count
            try await verification.wait(for: expected) { stored in
                bar.draw(Double(stored) / Double(max(1, expected)), "stored \(NumberText.grouped(stored)) readings")
            }
            bar.draw(nil, "reading back")
            let stored = try await verification.totals()
            report.differences = report.tally.totals.differences(stored: stored, before: before)
        }
        return report
    }
}
