// SPDX-License-Identifier: Apache-2.0
import Bus
import GRDB
import NIOCore

extension StoreDatabase {
    /// What waits for a session, in order, from behind `order`: as much as fits into `maximumBytes`, and at least one entry.
    func entries(of session: SessionNumber, after order: UInt64, maximumBytes: Int) throws(SessionStoreError)
        -> [StoredEntry]
    {
        try access { _, statements in
            // Orders beyond are refused when they come in.
            guard order < UInt64(Int64.max) else { return [] }
            var found: [StoredEntry] = []
            var bytes = 0
            try statements.entries.each(.session(session), .order(order)) { row in
                guard let entry = readable("entries", { () throws(StoreFault) in try StoredEntry(row) }) else {
                    return true
                }
                bytes += entry.envelope.readableBytes
                guard found.isEmpty || bytes <= maximumBytes else { return false }
                found.append(entry)
                return bytes < maximumBytes
            }
            return found
        }
    }

    /// Everything but the envelopes of what waits. Rows that cannot be read, and what belongs to a session that cannot, are left out and counted.
    func load() throws(SessionStoreError) -> StoredState {
        try access { database, _ in
            var state = StoredState()
            try each(database, StoreLoadSQL.sessions, "sessions") { row throws(StoreFault) in
                state.sessions.append(try StoredSession(row))
            }
            let sessions = Set(state.sessions.map(\.number))
            try each(database, StoreLoadSQL.subscriptions, "subscriptions") { row throws(StoreFault) in
                let session = try Self.owner(row, 0, of: sessions)
                state.subscriptions[session, default: []].append(try StoredSubscription(row))
            }
            try each(database, StoreLoadSQL.receptions, "receptions") { row throws(StoreFault) in
                let session = try Self.owner(row, 0, of: sessions)
                state.receptions[session, default: []].append(try StoredReception(row))
            }
            try each(database, StoreLoadSQL.entries, "entries") { row throws(StoreFault) in
                let session = try Self.owner(row, 10, of: sessions)
                try state.queues[session, default: StoredState.Queue()].add(row)
            }
            try each(database, StoreLoadSQL.retained, "retained") { row throws(StoreFault) in
                state.retained.append(try StoredRetained(row))
            }
            try each(database, StoreLoadSQL.position, "position") { row throws(StoreFault) in
                state.position = try StreamPosition(row)
            }
            return state
        }
    }

    private func each(
        _ database: Database, _ sql: String, _ table: String, _ body: (StoreRow) throws(StoreFault) -> Void
    ) throws {
        try StoreStatement(database, sql).each { row in
            _ = readable(table) { () throws(StoreFault) in try body(row) }
            return true
        }
    }

    private func readable<Value>(_ table: String, _ read: () throws(StoreFault) -> Value) -> Value? {
        do throws(StoreFault) { return try read() } catch {
            leaveOut(error, table)
            return nil
        }
    }

    private static func owner(
        _ row: StoreRow, _ column: Int32, of sessions: Set<SessionNumber>
    ) throws(StoreFault) -> SessionNumber {
        let session = try row.session(column)
        guard sessions.contains(session) else { throw .unreadableRow("session") }
        return session
    }
}
