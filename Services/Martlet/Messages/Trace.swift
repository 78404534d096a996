// SPDX-License-Identifier: Apache-2.0

/// What can be told of a message's way.
struct Trace: Sendable {
    /// What one station says.
    enum Finding: Equatable, Sendable {
        case found(String)
        case missing(String)
        /// It cannot be told, and why.
        case unknown(String)

        var word: String {
            switch self {
            case .found: "found"
            case .missing: "missing"
            case .unknown: "unknown"
            }
        }

        var detail: String {
            switch self {
            case .found(let text), .missing(let text), .unknown(let text): text
            }
        }

        var style: Style {
            switch self {
            case .found: .good
            case .missing: .bad
            case .unknown: .warning
            }
        }
    }

    var sequence: UInt64?
    var log: Finding
    var database: Finding
    let deadLetters = Finding.unknown(
        "no public route shows dead letters yet; an operator finds them in messages.dead_letters of the database")
    /// As the log has it.
    var message: JSONValue?
    /// As the database has them.
    var stored: [JSONValue] = []
    /// Some records of the message are stored and some are not.
    var isPartial = false

    var status: ExitStatus {
        if isPartial { return .partial }
        if case .found = database { return .done }
        return .refused
    }

    func show(_ console: Console) {
        let stations = [("log", log), ("database", database), ("dead_letters", deadLetters)]
        if console.isJSON {
            let findings = stations.map { name, finding -> (String, JSONValue?) in
                (name, .document([("state", .string(finding.word)), ("detail", .string(finding.detail))]))
            }
            return console.print(
                .document(
                    [("sequence", sequence.map { .integer($0) })] + findings
                        + [("message", message), ("stored", .array(stored))]))
        }
        var table = Table([Table.Column("STATION"), Table.Column("STATE"), Table.Column("WHAT IS KNOWN")])
        for (name, finding) in stations {
            table.append([
                Table.Cell(name.replacing("_", with: " ")), Table.Cell(finding.word, finding.style),
                Table.Cell(finding.detail),
            ])
        }
        console.print(table)
        guard !stored.isEmpty else { return }
        console.print()
        console.print(MessageTable(stored).table(stored))
    }
}
