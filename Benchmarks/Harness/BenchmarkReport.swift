// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What one benchmark says: tables, and what must be known to read them.
struct BenchmarkReport: Codable, Sendable {
    /// The name of its files.
    var name: String
    var title: String
    /// How it is measured and what each side promises: what is durable when.
    var method: [String]
    var machine: MachineFacts
    var tables: [ResultTable]

    var markdown: String {
        var text = "# \(title)\n\n\(machine.markdown)\nMedians of the runs, lowest–highest behind them.\n\n"
        for line in method { text += "- \(line)\n" }
        for table in tables { text += "\n\(table.markdown)" }
        return text
    }

    /// Writes `<name>.md` and `<name>.json` into a folder.
    func write(to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try markdown.write(toFile: "\(folder)/\(name).md", atomically: true, encoding: .utf8)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "infinity", negativeInfinity: "-infinity", nan: "NaN")
        try encoder.encode(self).write(to: URL(fileURLWithPath: "\(folder)/\(name).json"))
    }
}
