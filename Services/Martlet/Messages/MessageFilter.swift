// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Which messages are read: the reader's own parameters (`Services/ReaderPostgres/README.md`).
struct MessageFilter: ParsableArguments {
    @Option(help: ArgumentHelp("SenML records (messages), json documents, or blobs.", valueName: "format"))
    var format: String?
    @Option(help: ArgumentHelp("Only this subtopic.", valueName: "subtopic"))
    var subtopic: String?
    @Option(help: ArgumentHelp("Only from this thing.", valueName: "identifier"))
    var publisher: String?
    @Option(
        name: .customLong("protocol"),
        help: ArgumentHelp("Only what came in over http, mqtt, coap, …", valueName: "protocol"))
    var transport: String?
    @Option(help: ArgumentHelp("Only this SenML name.", valueName: "name"))
    var name: String?
    @Option(help: ArgumentHelp("Only values like this: 71.5, '>70', '<=3', 'true', or a text.", valueName: "value"))
    var value: String?
    @Option(
        help: ArgumentHelp("Not before: a date, seconds since 1970, or how long ago (15m, 24h, 7d).", valueName: "time")
    )
    var from: String?
    @Option(help: ArgumentHelp("Before.", valueName: "time"))
    var to: String?

    func query() throws -> [(name: String, value: String)] {
        var query: [(name: String, value: String)] = [
            ("format", format), ("subtopic", subtopic), ("publisher", publisher), ("protocol", transport),
            ("name", name), ("from", try from.map { try TimeArgument.seconds($0) }),
            ("to", try to.map { try TimeArgument.seconds($0) }),
        ].compactMap { name, value in value.map { (name, $0) } }
        if let value { query += try Self.condition(value) }
        return query
    }

    static func condition(_ text: String) throws(CommandFailure) -> [(name: String, value: String)] {
        let comparators = [("<=", "le"), (">=", "ge"), ("<", "lt"), (">", "gt"), ("=", "eq")]
        for (sign, word) in comparators where text.hasPrefix(sign) {
            let rest = text.dropFirst(sign.count).drop { $0 == " " }
            guard let number = Measurement.number(rest) else {
                throw .usage("'\(rest)' is no number to compare with")
            }
            return [("v", number), ("comparator", word)]
        }
        if let number = Measurement.number(text) { return [("v", number)] }
        if text == "true" || text == "false" { return [("vb", text)] }
        return [("vs", text)]
    }
}
