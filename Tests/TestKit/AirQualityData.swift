// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The air-quality data in `Tests/Data`, read independently of everything that is under test.
public struct AirQualityData: Sendable {
    public struct Row: Sendable {
        /// Unix seconds; the file's local times are taken as UTC.
        public let time: Int64
        /// The readings that are there, as they stand in the file, with their column's name.
        public let readings: [(column: String, text: String)]
    }

    public let columns: [String]
    public let rows: [Row]

    public init(contentsOf path: String) throws {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let lines = text.split(whereSeparator: \.isNewline).map {
            $0.split(separator: ",", omittingEmptySubsequences: false)
        }
        guard let header = lines.first, header.count >= 15 else { throw CocoaError(.fileReadCorruptFile) }
        columns = header[2..<15].map(String.init)
        var rows: [Row] = []
        for fields in lines.dropFirst() where fields.count >= 15 && !fields[0].isEmpty {
            let date = fields[0].split(separator: "/").compactMap { Int($0) }
            let clock = fields[1].split(separator: ":").compactMap { Int($0) }
            guard date.count == 3, clock.count == 3 else { throw CocoaError(.fileReadCorruptFile) }
            let seconds =
                Self.daysSince1970(year: date[2], month: date[0], day: date[1]) * 86_400
                + clock[0] * 3600 + clock[1] * 60 + clock[2]
            var readings: [(String, String)] = []
            for (column, field) in zip(columns, fields[2..<15]) {
                // -200 marks a missing reading: it is no measurement and must not become one.
                guard let value = Double(field), value != -200 else { continue }
                readings.append((column, String(field)))
            }
            rows.append(Row(time: Int64(seconds), readings: readings))
        }
        self.rows = rows
    }

    /// What a column adds up to, computed from the file.
    public struct Total: Equatable, Sendable {
        public var count: Int
        public var sum: Double

        public init(count: Int = 0, sum: Double = 0) {
            self.count = count
            self.sum = sum
        }
    }

    public var totals: [String: Total] {
        var totals: [String: Total] = [:]
        for row in rows {
            for reading in row.readings {
                totals[reading.column, default: Total()].count += 1
                totals[reading.column, default: Total()].sum += Double(reading.text) ?? .nan
            }
        }
        return totals
    }

    /// The SenML name for a column: parentheses are not allowed in names (RFC 8428 section 4.5.1).
    public static func senmlName(_ column: String) -> String {
        String(column.map { $0 == "(" || $0 == ")" ? "_" : $0 })
    }

    /// One row as a SenML JSON pack; nil when nothing was measured.
    public static func pack(_ row: Row) -> String? {
        guard !row.readings.isEmpty else { return nil }
        let records = row.readings.enumerated().map { index, reading in
            let base = index == 0 ? #""bn":"station-1:","bt":\#(row.time),"# : ""
            return #"{\#(base)"n":"\#(senmlName(reading.column))","v":\#(reading.text)}"#
        }
        return "[" + records.joined(separator: ",") + "]"
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar.
    private static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
        // Years begin in March here, so that the leap day is a year's last.
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
