// SPDX-License-Identifier: Apache-2.0

/// Replays the rows of a CSV file, one message a row, in the file's order.
struct CSVSource: SimulationSource {
    let total: Int?
    private let mapping: CSVMapping
    private let baseName: String
    /// How much faster than the rows' own times; nil: as fast as they are accepted.
    private let speed: Double?
    private var reader: CSVReader
    private var firstTime: Double?

    /// Reads the whole file once, so that a mistake in its last line is told before anything is sent.
    ///
    /// - Throws: ``CommandFailure`` of usage, naming the line.
    init(
        path: String, delimiter: UInt8, baseName: String, speed: Double?,
        mapping makeMapping: ([String]) throws -> CSVMapping
    ) throws {
        var check = try CSVReader(path: path, delimiter: delimiter)
        guard let headings = try check.next() else { throw CommandFailure.usage("'\(path)' is empty") }
        mapping = try makeMapping(headings)
        guard speed == nil || !mapping.timeIndices.isEmpty else {
            throw CommandFailure.usage("--speed needs the rows' times", advice: "--time-columns names their columns")
        }
        var count = 0
        while let fields = try check.next() {
            if let row = try mapping.row(fields, line: check.line), !row.measurements.isEmpty { count += 1 }
        }
        total = count
        self.baseName = baseName
        self.speed = speed
        reader = try CSVReader(path: path, delimiter: delimiter)
        _ = try reader.next()
    }

    mutating func next() throws -> SimulatedMessage? {
        while let fields = try reader.next() {
            // A row without a measurement has nothing to say.
            guard let row = try mapping.row(fields, line: reader.line), !row.measurements.isEmpty else { continue }
            return SimulatedMessage(
                device: 0, due: due(row.time), baseName: baseName, time: row.time, measurements: row.measurements)
        }
        return nil
    }

    private mutating func due(_ time: String?) -> Duration? {
        guard let speed, let seconds = time.flatMap({ Double($0) }) else { return nil }
        let first = firstTime ?? seconds
        firstTime = first
        return .seconds(max(0, (seconds - first) / speed))
    }
}
