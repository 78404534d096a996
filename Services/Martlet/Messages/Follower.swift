// SPDX-License-Identifier: Apache-2.0

/// Prints what is stored from now on, by asking again and again.
///
/// Messages are listed by their own time, not by when they were stored. What comes late by up to ``overlapSeconds`` behind the newest is found as well;
/// `martlet watch` hears everything, as it comes.
struct Follower {
    static let overlapSeconds = 60.0
    private static let interval: Duration = .seconds(1)

    let reader: MessageReader
    let console: Console
    /// How often each message within the overlap has been shown: two that say the same are two.
    private var shown: [String: (count: Int, time: Double)] = [:]
    private var newest: Double?

    init(reader: MessageReader, console: Console) {
        self.reader = reader
        self.console = console
    }

    func run(_ query: [(name: String, value: String)], last: Int) async throws {
        var follower = self
        var printer = MessagePrinter(console: console)
        var first: [JSONValue] = []
        for try await page in reader.pages(query + [("dir", "desc")], limit: last) { first += page }
        first.reverse()
        printer.print(follower.take(first))
        // What was stored before is not new, although it was not shown.
        if follower.newest != nil { _ = follower.take(try await follower.later(query)) }
        while true {
            try await Task.sleep(for: Self.interval)
            do {
                printer.print(follower.take(try await follower.later(query)))
            } catch let failure as CommandFailure where failure.status == .unreachable {
                console.note(failure.message, .warning)
            }
        }
    }

    /// All from a little before the newest that is known.
    private func later(_ query: [(name: String, value: String)]) async throws -> [JSONValue] {
        var query = query
        if let newest {
            query.removeAll { $0.name == "from" }
            query.append(("from", NumberText.exact(newest - Self.overlapSeconds)))
        }
        var messages: [JSONValue] = []
        for try await page in reader.pages(query + [("dir", "asc")], limit: .max) { messages += page }
        return messages
    }

    /// Those that have not been shown yet.
    mutating func take(_ messages: [JSONValue]) -> [JSONValue] {
        var seen: [String: Int] = [:]
        var new: [JSONValue] = []
        for message in messages {
            let text = message.description
            let time = (message["time"] ?? message["created"])?.double ?? 0
            seen[text, default: 0] += 1
            newest = max(newest ?? time, time)
            guard seen[text, default: 0] > shown[text]?.count ?? 0 else { continue }
            shown[text] = (seen[text, default: 0], time)
            new.append(message)
        }
        if let newest { shown = shown.filter { $0.value.time >= newest - Self.overlapSeconds } }
        return new
    }
}
