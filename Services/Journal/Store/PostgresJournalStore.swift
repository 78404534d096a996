// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Postgres

/// The journal in PostgreSQL.
struct PostgresJournalStore: JournalStore {
    let pool: PostgresPool
    let clock: WallClock

    func append(_ entries: [JournalEntry]) async throws -> Int {
        let now = clock.now()
        return try await pool.withTransaction { connection in
            var added = 0
            for entry in entries {
                let inserted = try await connection.execute(Self.insert(entry, at: now))
                added += try inserted.first?.decode(Int.self, at: 0) ?? 0
            }
            return added
        }
    }

    private static func insert(_ entry: JournalEntry, at now: Int64) -> SQL {
        let count = Int32(clamping: entry.count)
        let status = entry.status.map { Int32(clamping: $0) }
        let origin = entry.origin
        let values: [SQL] = [
            "\(entry.id)", "\(entry.at)", bound(entry.until), "\(count)", "\(entry.service)", "\(entry.entity)",
            "\(entry.operation)", "\(entry.result.rawValue)", bound(status), bound(entry.reason), bound(entry.domain),
            bound(entry.actor), bound(origin?.address), bound(origin?.request), bound(origin?.session),
            bound(origin?.isKey), "\(entry.entities)", "\(PostgresJSON(text: entry.detail))", "\(now)",
        ]
        return """
            WITH added AS (
                INSERT INTO entries (id, at, until, count, service, entity, operation, result, status, reason, domain,
                    actor, address, request, session, is_key, entities, detail, recorded_at)
                VALUES (\(SQL.joined(values, separator: ", ")))
                ON CONFLICT (id) DO NOTHING
                RETURNING number, at, entities
            ), named AS (
                INSERT INTO entry_entities (entity, at, number) SELECT unnest(entities), at, number FROM added
            )
            SELECT count(*) FROM added
            """
    }

    /// A value that may be absent: NULL then.
    private static func bound<Value: PostgresEncodable>(_ value: Value?) -> SQL {
        guard let value else { return "NULL" }
        return "\(value)"
    }

    func page(_ query: JournalQuery, counting: Bool) async throws -> JournalPage {
        let (source, conditions) = Self.selection(query)
        var total: Int?
        if counting {
            let counted = try await pool.execute(
                "SELECT count(*) FROM (SELECT 1 FROM " + source + Self.condition(conditions)
                    + " LIMIT \(Int64(JournalPage.maximumTotal))) AS matching")
            total = try counted.first?.decode(Int.self, at: 0) ?? 0
        }
        let rows = try await pool.execute(
            """
            SELECT e.at, e.number, e.id, e.until, e.count, e.service, e.entity, e.operation, e.result, e.status,
                e.reason, e.domain, e.actor, e.address, e.request, e.session, e.is_key, e.entities, e.detail FROM
            """ + " " + source + Self.condition(conditions + Self.place(query)) + Self.order(query)
                + " LIMIT \(Int64(query.limit) + 1)" + Self.offset(query))
        var entries: [StoredEntry] = []
        entries.reserveCapacity(min(rows.count, query.limit))
        for row in rows.prefix(query.limit) { entries.append(try StoredEntry(row)) }
        return JournalPage(entries: entries, hasMore: rows.count > query.limit, total: total)
    }

    func removeExpired(before: Int64, atMost maximum: Int) async throws -> Int {
        let removed = try await pool.execute("SELECT remove_expired(\(before), \(Int32(clamping: maximum)))")
        return Int(try removed.first?.decode(Int32.self, at: 0) ?? 0)
    }

    // MARK: The statement's parts

    /// An entity's entries are found by the table of names, in their order; all others by the entries' own indexes.
    private static func selection(_ query: JournalQuery) -> (source: SQL, conditions: [SQL]) {
        var conditions: [SQL] = []
        var source: SQL = "entries AS e"
        if let entity = query.entityID {
            source = "entry_entities AS k JOIN entries AS e ON e.number = k.number"
            conditions.append("k.entity = \(entity)")
        }
        switch query.scope {
        case .everything: break
        case .domain(let domain): conditions.append("e.domain = \(domain)")
        case .actor(let actor): conditions.append("e.actor = \(actor)")
        }
        if let domain = query.domain { conditions.append("e.domain = \(domain)") }
        if let actor = query.actor { conditions.append("e.actor = \(actor)") }
        if let entity = query.entity { conditions.append("e.entity = \(entity)") }
        if let service = query.service { conditions.append("e.service = \(service)") }
        if let operation = query.operation { conditions.append("e.operation = \(operation)") }
        if let result = query.result { conditions.append("e.result = \(result.rawValue)") }
        if let address = query.address { conditions.append("e.address = \(address)") }
        let at = time(query)
        if let from = query.from { conditions.append(at + " >= \(from)") }
        if let to = query.to { conditions.append(at + " < \(to)") }
        return (source, conditions)
    }

    private static func time(_ query: JournalQuery) -> SQL { query.entityID == nil ? "e.at" : "k.at" }
    private static func number(_ query: JournalQuery) -> SQL { query.entityID == nil ? "e.number" : "k.number" }

    private static func place(_ query: JournalQuery) -> [SQL] {
        guard case .after(let position) = query.start else { return [] }
        let key = "(" + time(query) + ", " + number(query) + ")"
        return [
            query.direction == .desc
                ? key + " < (\(position.at), \(position.number))" : key + " > (\(position.at), \(position.number))"
        ]
    }

    private static func order(_ query: JournalQuery) -> SQL {
        query.direction == .desc
            ? " ORDER BY " + time(query) + " DESC, " + number(query) + " DESC"
            : " ORDER BY " + time(query) + ", " + number(query)
    }

    private static func offset(_ query: JournalQuery) -> SQL {
        guard case .offset(let offset) = query.start, offset > 0 else { return "" }
        return " OFFSET \(Int64(offset))"
    }

    private static func condition(_ conditions: [SQL]) -> SQL {
        conditions.isEmpty ? "" : " WHERE " + SQL.joined(conditions, separator: " AND ")
    }
}

extension StoredEntry {
    fileprivate init(_ row: PostgresRow) throws(PostgresError) {
        position = JournalQuery.Position(
            at: try row.decode(Int64.self, at: 0), number: try row.decode(Int64.self, at: 1))
        let result = try row.decode(String.self, at: 8)
        guard let result = JournalEntry.Result(rawValue: result) else {
            throw PostgresError(.protocolViolation, "'\(result)' is no result of a journal's entry")
        }
        let address = try row.decode(String?.self, at: 13)
        let request = try row.decode(String?.self, at: 14)
        let session = try row.decode(SessionID?.self, at: 15)
        let isKey = try row.decode(Bool?.self, at: 16)
        entry = JournalEntry(
            id: try row.decode(EventID.self, at: 2), at: position.at, until: try row.decode(Int64?.self, at: 3),
            count: Int(try row.decode(Int32.self, at: 4)), service: try row.decode(String.self, at: 5),
            entity: try row.decode(String.self, at: 6), operation: try row.decode(String.self, at: 7), result: result,
            status: try row.decode(Int32?.self, at: 9).map(Int.init), reason: try row.decode(String?.self, at: 10),
            domain: try row.decode(DomainID?.self, at: 11), actor: try row.decode(UserID?.self, at: 12),
            origin: address.map { RequestOrigin(address: $0, request: request ?? "", session: session, isKey: isKey) },
            entities: try row.decode([EntityID].self, at: 17), detail: try row.decode(PostgresJSON.self, at: 18).text)
    }
}
