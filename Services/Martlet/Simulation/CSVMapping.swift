// SPDX-License-Identifier: Apache-2.0

/// Which columns of a CSV file are times, which are measurements, and what they are called then.
struct CSVMapping: Equatable, Sendable {
    struct Column: Equatable, Sendable {
        var index: Int
        /// As the file has it.
        var heading: String
        /// As SenML has it.
        var name: String
        var unit: String?
    }

    struct Row: Equatable, Sendable {
        /// Seconds since 1970 as a decimal number; nil where the file has no times.
        var time: String?
        var measurements: [Measurement]
    }

    let timeIndices: [Int]
    let timeFormat: RowTimeFormat
    let columns: [Column]
    /// What marks a value that is not there: as text, and as a number where it is one (-200 is -200.0 too).
    let missing: [String]
    let hasDecimalComma: Bool
    private let missingNumbers: [Double]

    /// - Parameters:
    ///   - headings: the file's first record.
    ///   - timeColumns: headings whose values, joined by spaces, are the time.
    ///   - mapped: `heading=name[unit]` each; empty: all columns with a heading that are no time, under names made of their headings.
    init(
        headings: [String], timeColumns: [String], timeFormat: RowTimeFormat, mapped: [String], missing: [String],
        hasDecimalComma: Bool
    ) throws(CommandFailure) {
        timeIndices = try timeColumns.map { heading throws(CommandFailure) in
            try Self.index(of: heading, in: headings)
        }
        self.timeFormat = timeFormat
        self.missing = missing
        self.hasDecimalComma = hasDecimalComma
        missingNumbers = missing.compactMap { Measurement.number($0).flatMap { Double($0) } }
        if mapped.isEmpty {
            let times = timeIndices
            columns = headings.enumerated().compactMap { index, heading in
                guard !heading.isEmpty, !times.contains(index) else { return nil }
                return Column(index: index, heading: heading, name: SenMLName.made(from: heading), unit: nil)
            }
        } else {
            columns = try mapped.map { text throws(CommandFailure) in try Self.column(text, headings) }
        }
        let names = Set(columns.map(\.name))
        guard names.count == columns.count else {
            throw .usage("two columns would have the same SenML name", advice: "name them with --column heading=name")
        }
        guard !columns.isEmpty else { throw .usage("the CSV file has no column with measurements") }
    }

    private static func column(_ text: String, _ headings: [String]) throws(CommandFailure) -> Column {
        // A heading may hold any character, so the longest one that fits counts.
        let heading = headings.filter { !$0.isEmpty && (text == $0 || text.hasPrefix($0 + "=")) }
            .max { $0.utf8.count < $1.utf8.count }
        guard let heading else {
            throw .usage(
                "'\(text)' names no column",
                advice: "the file has: \(headings.filter { !$0.isEmpty }.joined(separator: ", "))")
        }
        let index = try index(of: heading, in: headings)
        guard text != heading else {
            return Column(index: index, heading: heading, name: SenMLName.made(from: heading), unit: nil)
        }
        let (name, unit) = Self.named(text.dropFirst(heading.count + 1))
        guard SenMLName.isValid(name) else { throw .usage("'\(name)' cannot be a SenML name") }
        return Column(index: index, heading: heading, name: name, unit: unit)
    }

    /// Takes `name[unit]` apart.
    private static func named(_ text: Substring) -> (String, String?) {
        guard text.last == "]", let bracket = text.lastIndex(of: "[") else { return (String(text), nil) }
        return (String(text[..<bracket]), String(text[text.index(after: bracket)...].dropLast()))
    }

    private static func index(of heading: String, in headings: [String]) throws(CommandFailure) -> Int {
        guard let index = headings.firstIndex(of: heading) else {
            throw .usage(
                "the CSV file has no column '\(heading)'",
                advice: "it has: \(headings.filter { !$0.isEmpty }.joined(separator: ", "))")
        }
        return index
    }

    /// - Returns: nil for a row of which nothing is filled in, as spreadsheets leave them at a file's end.
    /// - Throws: ``CommandFailure`` naming the line and the column.
    func row(_ fields: [String], line: Int) throws(CommandFailure) -> Row? {
        func field(_ index: Int) -> String {
            fields.indices.contains(index) ? Self.trimmed(fields[index]) : ""
        }
        let times = timeIndices.map(field)
        let values = columns.map { field($0.index) }
        if (times + values).allSatisfy(\.isEmpty) { return nil }
        var time: String?
        if !timeIndices.isEmpty {
            let text = times.joined(separator: " ")
            guard let seconds = timeFormat.seconds(text) else {
                throw .usage(
                    "line \(line) of the CSV file: '\(text)' is no time of the form that --time-format says",
                    advice: "unix, unix-ms, iso8601, or strptime's conversions, for example '%m/%d/%Y %H:%M:%S'")
            }
            time = seconds
        }
        var measurements: [Measurement] = []
        for (column, value) in zip(columns, values) {
            guard let number = try number(value, column, line) else { continue }
            measurements.append(Measurement(name: column.name, value: .number(number), unit: column.unit))
        }
        return Row(time: time, measurements: measurements)
    }

    /// - Returns: nil where the value is missing.
    private func number(_ text: String, _ column: Column, _ line: Int) throws(CommandFailure) -> String? {
        if text.isEmpty || missing.contains(text) { return nil }
        let plain = hasDecimalComma ? text.replacing(",", with: ".") : text
        guard let number = Measurement.number(plain), let value = Double(number) else {
            throw .usage(
                "line \(line) of the CSV file, column '\(column.heading)': '\(text)' is no number",
                advice:
                    "--missing '\(text)' leaves such values out; --column chooses columns; --decimal-comma reads 1,5")
        }
        return missingNumbers.contains(value) ? nil : number
    }

    private static func trimmed(_ text: String) -> String {
        guard text.first == " " || text.last == " " || text.first == "\t" || text.last == "\t" else { return text }
        return String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
