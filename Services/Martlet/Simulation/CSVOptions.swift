// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// How a CSV file is read.
struct CSVOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Replay this file, a message for each row.", valueName: "path"))
    var csv: String?
    @Option(help: ArgumentHelp("What stands between the columns; tab is a word for one.", valueName: "character"))
    var delimiter = ","
    @Option(help: ArgumentHelp("The columns that hold the time, joined by spaces.", valueName: "names"))
    var timeColumns: String?
    @Option(
        help: ArgumentHelp(
            "unix, unix-ms, iso8601, or strptime's conversions, in UTC: '%m/%d/%Y %H:%M:%S'.", valueName: "format"))
    var timeFormat = "iso8601"
    @Option(
        name: .customLong("column"),
        help: ArgumentHelp(
            "heading=name[unit]: send this column, under this name; may be repeated. Default: all.",
            valueName: "mapping"))
    var columns: [String] = []
    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A value that stands for none, besides an empty one; may be repeated.", valueName: "value"))
    var missing: [String] = []
    @Flag(help: "Values are written 1,5.")
    var decimalComma = false
    @Option(
        help: ArgumentHelp(
            "How much faster than the rows' own times, for example 3600; default: as fast as they are accepted.",
            valueName: "factor"))
    var speed: Double?

    func validate() throws {
        guard delimiter == "tab" || (delimiter.utf8.count == 1 && delimiter != "\"") else {
            throw ValidationError("--delimiter must be one ASCII character, or tab.")
        }
        if let speed, !(speed > 0 && speed.isFinite) { throw ValidationError("--speed must be above 0.") }
    }

    func source(_ path: String, baseName: String) throws -> CSVSource {
        let character = delimiter == "tab" ? UInt8(ascii: "\t") : delimiter.utf8.first ?? UInt8(ascii: ",")
        return try CSVSource(path: path, delimiter: character, baseName: baseName, speed: speed) { headings in
            try CSVMapping(
                headings: headings, timeColumns: timeColumns?.split(separator: ",").map(String.init) ?? [],
                timeFormat: RowTimeFormat(timeFormat), mapped: columns, missing: missing,
                hasDecimalComma: decimalComma)
        }
    }
}
