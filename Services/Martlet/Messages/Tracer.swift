// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Follows a message by what the public API tells: the live stream, which begins in the log of the bus, and the reader.
struct Tracer: Sendable {
    /// For the log to bring one message.
    private static let patience: Duration = .seconds(10)
    /// More rows than these are not shown; a trace by time is not a listing.
    private static let shownRows = 100

    let reader: MessageReader

    // MARK: By number

    func trace(sequence: UInt64) async throws -> Trace {
        let logged = try await lookIntoLog(sequence)
        guard case .message(let message) = logged else {
            return Trace(
                sequence: sequence, log: logged.finding,
                database: .unknown("rows are found by time, which only the log tells; try --at"))
        }
        let created = TimeArgument.text(message["created"]?.double) ?? ""
        let type = message["content_type"]?.text ?? ""
        let found = Trace.Finding.found("\(type) of \(created), from \(message["publisher"]?.text ?? "?")")
        var trace = Trace(sequence: sequence, log: found, database: .missing("no row of it"), message: message)
        try await findRows(&trace, message)
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

    private func findRows(_ trace: inout Trace, _ message: JSONValue) async throws {
        let publisher = message["publisher"]?.text.map { [("publisher", $0)] } ?? []
        if message["content_type"]?.text == "application/senml+json",
            let records = SenMLPack.records(message["payload"], created: message["created"])
        {
            var missing: [String] = []
            for record in records {
                let query = publisher + [("name", record.name)] + Self.instant(record.time)
                if let row = try await reader.page(query + [("limit", "1")])["messages"]?.elements?.first {
                    trace.stored.append(row)
                } else {
                    missing.append(record.name)
                }
            }
            trace.isPartial = !missing.isEmpty && missing.count < records.count
            if missing.count < records.count {
                let rest = missing.isEmpty ? "" : "; missing: \(missing.joined(separator: ", "))"
                trace.database = .found("\(trace.stored.count) of \(records.count) records\(rest)")
            }
            return
        }
        for format in ["json", "blobs", "messages"] {
            let query = publisher + [("format", format)] + Self.instant(message["created"]?.cell)
            let rows = try await reader.page(query + [("limit", "100")])["messages"]?.elements ?? []
            trace.stored += rows
            if !rows.isEmpty {
                trace.database = .found("\(rows.count) \(rows.count == 1 ? "row" : "rows") (\(format))")
            }
        }
    }

    /// From a time to the next nanosecond, exactly.
    private static func instant(_ time: String?) -> [(String, String)] {
        guard let time, let start = Decimal(string: time, locale: Locale(identifier: "en_US_POSIX")),
            let nanosecond = Decimal(string: "0.000000001", locale: Locale(identifier: "en_US_POSIX"))
        else { return [] }
        return [("from", "\(start)"), ("to", "\(start + nanosecond)")]
    }

    // MARK: By time

    func trace(at time: Double, within: Double) async throws -> Trace {
        let span = [("from", NumberText.exact(time - within)), ("to", NumberText.exact(time + within))]
        var trace = Trace(
            log: .unknown("the log is asked by number only"),
            database: .missing("no row within \(NumberText.short(within)) s of \(TimeArgument.text(time) ?? "")"))
        var total = 0
        for format in ["messages", "json", "blobs"] {
            let page = try await reader.page(
                span + [("format", format), ("limit", String(Self.shownRows)), ("dir", "asc")])
            total += page["total"]?.integer ?? 0
            trace.stored += page["messages"]?.elements ?? []
        }
        if total > 0 { trace.database = .found("\(total) \(total == 1 ? "row" : "rows")") }
        return trace
    }
}
