// SPDX-License-Identifier: Apache-2.0

/// Follows a message by what the public API tells: the live stream, which begins in the log of the bus, and the reader's rows and dead letters.
struct Tracer: Sendable {
    /// For the log to bring one message.
    private static let patience: Duration = .seconds(10)
    /// More rows than these are not shown; a trace by time is not a listing.
    private static let shownRows = 100

    let reader: MessageReader

    // MARK: By number

    func trace(sequence: UInt64) async throws -> Trace {
        let logged = try await lookIntoLog(sequence)
        var trace = Trace(sequence: sequence, log: logged.finding, database: .missing("no row of it"))
        guard sequence > 0 else { return trace }
        if case .message(let message) = logged {
            let created = TimeArgument.text(message["created"]?.double) ?? ""
            let type = message["content_type"]?.text ?? ""
            trace.log = .found("\(type) of \(created), from \(message["publisher"]?.text ?? "?")")
            trace.message = message
        }
        try await findRows(&trace, sequence)
        return trace
    }

    private enum Logged: Sendable {
        case message(JSONValue)
        case absent(Trace.Finding)

        var finding: Trace.Finding {
            switch self {
            case .message: .found("")
            case .absent(let finding): finding
            }
        }
    }

    private func lookIntoLog(_ sequence: UInt64) async throws -> Logged {
        guard sequence > 0 else { return .absent(.missing("messages are numbered from 1")) }
        let key = reader.key
        let context = reader.context
        let stream = LiveStream(client: context.client, path: reader.path) {
            if let key { return "Thing \(key)" }
            return try await context.personAuthorization()
        }
        return try await withThrowingTaskGroup(of: Logged.self) { group in
            group.addTask {
                var result = Logged.absent(.unknown("the stream ended"))
                do {
                    try await stream.run(after: String(sequence - 1)) { item in
                        switch item {
                        case .message(let message, let number):
                            let isIt = number == String(sequence)
                            result =
                                isIt
                                ? .message(message) : .absent(.missing("no message of this channel has the number"))
                            return false
                        case .gap:
                            result = .absent(.missing("not kept in the log any more"))
                            return false
                        case .interrupted: return true
                        }
                    }
                } catch let failure as CommandFailure where failure.reason == "no-event-stream" {
                    return .absent(.unknown(failure.message))
                }
                return result
            }
            group.addTask {
                try await Task.sleep(for: Self.patience)
                return .absent(.missing("the log has nothing at or behind this number on this channel"))
            }
            defer { group.cancelAll() }
            return try await group.next() ?? .absent(.unknown("nothing was asked"))
        }
    }

    private func findRows(_ trace: inout Trace, _ sequence: UInt64) async throws {
        let number = [("sequence", String(sequence))]
        // Before the rows: what is refused later has no row then either.
        let letters = try await reader.deadLetters(number + [("limit", String(MessageReader.pageSize))])
        var kinds: [String] = []
        for format in Self.formats {
            let rows = try await rows(format, number)
            if !rows.isEmpty { kinds.append("\(rows.count) \(rows.count == 1 ? "row" : "rows") (\(format))") }
            trace.stored += rows
        }
        trace.letters = letters
        let records = SenMLPack.records(trace.message?["payload"], created: trace.message?["created"]) ?? []
        let isPack = trace.message?["content_type"]?.text == "application/senml+json"
        if trace.stored.isEmpty {
            guard letters.isEmpty else { return }
            trace.database = .missing("no row of it and no dead letter: not stored yet, if it is in the log")
        } else if isPack, trace.stored.count < records.count {
            trace.isPartial = true
            let missing = Self.missing(records.map(\.name), trace.stored).joined(separator: ", ")
            trace.database = .found("\(trace.stored.count) of \(records.count) records; missing: \(missing)")
        } else {
            trace.database = .found(
                isPack ? "\(trace.stored.count) of \(records.count) records" : kinds.joined(separator: ", "))
        }
    }

    private static let formats = ["messages", "json", "blobs"]

    private func rows(_ format: String, _ query: [(name: String, value: String)]) async throws -> [JSONValue] {
        var rows: [JSONValue] = []
        let inOrder = query + [("format", format), ("dir", "asc")]
        for try await page in reader.pages(inOrder, limit: .max) { rows += page }
        return rows
    }

    /// Names that the pack has more often than the database.
    private static func missing(_ names: [String], _ rows: [JSONValue]) -> [String] {
        var stored: [String: Int] = [:]
        for row in rows { stored[row["name"]?.text ?? "", default: 0] += 1 }
        return names.filter { name in
            stored[name, default: 0] -= 1
            return stored[name, default: 0] < 0
        }
    }

    // MARK: By time

    func trace(at time: Double, within: Double) async throws -> Trace {
        let span = [("from", NumberText.exact(time - within)), ("to", NumberText.exact(time + within))]
        var trace = Trace(
            log: .unknown("the log is asked by number only"),
            database: .missing("no row within \(NumberText.short(within)) s of \(TimeArgument.text(time) ?? "")"))
        var total = 0
        for format in Self.formats {
            let page = try await reader.page(
                span + [("format", format), ("limit", String(Self.shownRows)), ("dir", "asc")])
            total += page["total"]?.integer ?? 0
            trace.stored += page["messages"]?.elements ?? []
        }
        // By when it was refused, which is soon after it was sent.
        trace.letters = try await reader.deadLetters(
            span + [("limit", String(Self.shownRows)), ("dir", "asc")])
        if total > 0 { trace.database = .found("\(total) \(total == 1 ? "row" : "rows")") }
        return trace
    }
}
