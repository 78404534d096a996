// SPDX-License-Identifier: Apache-2.0

/// The tables of ``LiveBenchmark``, a row for each part.
struct LiveTables {
    private var memory = ResultTable(
        title: "Memory of http-adapter (RSS) and of nginx's processes (PSS)",
        columns: ["", "without subscribers MiB", "all open MiB", "each KiB", "peak while messages flow MiB"])
    private var delivery = ResultTable(
        title: "Subscribers that read",
        columns: [
            "", "p50 ms", "p99 ms", "worst ms", "deliveries/s", "missing", "cut off", "adapter CPU µs a delivery",
            "nginx CPU µs a delivery",
        ])
    private var cutOff = ResultTable(
        title: "Subscribers that do not read",
        columns: ["", "cut off (slow-consumer)", "most that waited for them MiB"])

    /// Those that have rows.
    var all: [ResultTable] { [memory, delivery, cutOff].filter { !$0.rows.isEmpty } }

    /// One run more.
    mutating func add(_ figures: LiveMeasurement.Figures, of measurement: LiveMeasurement) {
        let part = measurement.part
        let messagesPerSecond = measurement.messagesPerSecond
        let numbers = measurement.numbers
        let all = numbers.reading + numbers.slow
        add(figures.adapter, to: numbers.title, all)
        if part == .front { add(figures.nginx, to: "nginx in front of it", all) }
        let sorted = figures.tally.latencies.sorted()
        let microseconds = 1e6 / Double(max(1, figures.tally.messages))
        delivery.add(
            [
                Self.percentile(sorted, 0.5), Self.percentile(sorted, 0.99), Self.percentile(sorted, 1),
                Double(figures.tally.messages) / figures.seconds,
                Double(figures.published * numbers.reading - figures.tally.messages), Double(figures.tally.ended),
                figures.adapterSeconds * microseconds,
                part == .front ? figures.nginxSeconds * microseconds : .nan,
            ], to: "\(part.rawValue): \(numbers.reading), \(messagesPerSecond) messages/s of 200 B to each")
        guard numbers.slow > 0 else { return }
        cutOff.add(
            [figures.slowCutOff, figures.peakQueuedBytes / Double(1 << 20)],
            to: "\(part.rawValue): \(numbers.slow), \(messagesPerSecond) messages/s of 64 KiB to each")
    }

    private mutating func add(_ usage: LiveMeasurement.Memory, to row: String, _ subscribers: Int) {
        memory.add(
            [
                Self.mebibytes(usage.idle), Self.mebibytes(usage.open),
                Double(usage.open - usage.idle) / Double(subscribers) / 1024, Self.mebibytes(usage.peak),
            ], to: row)
    }

    private static func mebibytes(_ bytes: Int) -> Double { Double(bytes) / Double(1 << 20) }

    /// Of microseconds in order, in milliseconds; nearest rank.
    private static func percentile(_ sorted: [Float], _ share: Double) -> Double {
        guard !sorted.isEmpty else { return .nan }
        let rank = Int((share * Double(sorted.count)).rounded(.up))
        return Double(sorted[min(max(rank, 1), sorted.count) - 1]) / 1_000
    }
}
