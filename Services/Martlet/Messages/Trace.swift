// SPDX-License-Identifier: Apache-2.0

/// What can be told of a message's way.
struct Trace: Sendable {
    /// What one station says.
    enum Finding: Equatable, Sendable {
        case found(String)
        case missing(String)
        /// Nothing is there, as it should be.
        case nothing(String)
        /// It was given up, and why.
        case refused(String)
        /// It cannot be told, and why.
        case unknown(String)

        var word: String {
            switch self {
            case .found: "found"
            case .missing: "missing"
            case .nothing: "none"
            case .refused: "refused"
            case .unknown: "unknown"
            }
        }

        var detail: String {
            switch self {
            case .found(let text), .missing(let text), .nothing(let text), .refused(let text), .unknown(let text): text
            }
        }

        var style: Style {
            switch self {
            case .found: .good
            case .missing, .refused: .bad
            case .nothing: .plain
            case .unknown: .warning
            }
        }
    }

    var sequence: UInt64?
    var log: Finding
    var database: Finding
    var deadLetters = Finding.nothing("none of it")
    /// As the log has it.
    var message: JSONValue?
    /// As the database has them.
    var stored: [JSONValue] = []
    /// What could not be stored of it, as the database has it.
    var letters: [JSONValue] = [] {
        didSet {
            guard !letters.isEmpty else { return }
            deadLetters = .refused(Self.reasons(letters))
            // What is stored beside a record that was refused is not all of the message.
            if !stored.isEmpty { isPartial = true }
        }
    }
    /// Some records of the message are stored and some are not.
    var isPartial = false

    var status: ExitStatus {
        if isPartial { return .partial }
        if case .found = database { return .done }
        return .refused
    }

    /// `record 1: null-character: A text holds …`, each reason once.
    private static func reasons(_ letters: [JSONValue]) -> String {
        var reasons: [String] = []
        for letter in letters {
            let record = letter["record"]?.integer.map { "record \($0): " } ?? ""
            let reason = "\(record)\(letter["reason"]?.text ?? "?"): \(letter["message"]?.text ?? "")"
            if !reasons.contains(reason) { reasons.append(reason) }
        }
        let shown = reasons.prefix(shownReasons).joined(separator: "; ")
        return reasons.count > shownReasons ? "\(shown); and \(reasons.count - shownReasons) more" : shown
    }

    private static let shownReasons = 3

    func show(_ console: Console) {
        let stations = [("log", log), ("database", database), ("dead_letters", deadLetters)]
        if console.isJSON {
            let findings = stations.map { name, finding -> (String, JSONValue?) in
                (name, .document([("state", .string(finding.word)), ("detail", .string(finding.detail))]))
            }
            return console.print(
                .document(
                    [("sequence", sequence.map { .integer($0) })] + findings
                        + [("message", message), ("stored", .array(stored)), ("letters", .array(letters))]))
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
