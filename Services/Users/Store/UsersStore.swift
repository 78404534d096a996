// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import HTTPKit
import Identity
import Messaging
import NIOCore
import Postgres

/// Users, domains, sessions and keys in PostgreSQL. Each change is written together with the event that announces it.
struct UsersStore: Sendable {
    let pool: PostgresPool
    let outbox: Outbox
    /// nil: no mail can be sent.
    let mail: MailQueue?

    /// Runs a change in a transaction and lets the relay know.
    func change<Result>(_ body: (PostgresConnection) async throws -> Result) async throws -> Result {
        let result = try await pool.withTransaction { connection in try await body(connection) }
        outbox.wake()
        return result
    }

    /// Writes an event into the open transaction, after the change that it announces.
    func announce(
        _ entity: String, _ what: String, at time: Int64, on connection: PostgresConnection, domain: DomainID? = nil,
        actor: UserID? = nil, user: UserID? = nil, session: SessionID? = nil
    ) async throws {
        let event = EntityEvent(
            id: EventID.new(), at: time, service: "users", entity: entity, what: what, domain: domain, actor: actor,
            user: user, session: session)
        let payload = try ByteBuffer(bytes: JSONEncoder().encode(event))
        try await outbox.append(subject: event.subject, payload: payload, on: connection)
    }

    /// Runs a change; what breaks a unique index is refused with `refusal`.
    func conflicting<Result>(_ refusal: ServiceError, _ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as PostgresError where error.isUniqueViolation {
            throw refusal
        }
    }

    /// Runs a change; what refers to something that is not there is refused with `refusal`.
    func referring<Result>(_ refusal: ServiceError, _ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as PostgresError where error.isForeignKeyViolation {
            throw refusal
        }
    }

    /// JSON as the database takes it.
    static func json(_ value: JSONValue) throws -> PostgresJSON {
        PostgresJSON(text: String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
    }

    static func value(_ json: PostgresJSON) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(json.text.utf8))
    }

    /// `WHERE` and the conditions, or nothing.
    static func condition(_ conditions: [SQL]) -> SQL {
        conditions.isEmpty ? "" : "WHERE " + SQL.joined(conditions, separator: " AND ")
    }

    /// Conditions of the filters that users and domains share.
    static func conditions(_ filter: EntityFilter) throws -> [SQL] {
        var conditions: [SQL] = []
        if let name = filter.name { conditions.append("position(lower(\(name)) in lower(name)) > 0") }
        if let tag = filter.tag { conditions.append("\(tag) = ANY(tags)") }
        if let metadata = filter.metadata { conditions.append("metadata @> \(try json(metadata))") }
        switch filter.status {
        case .all: break
        case .enabled: conditions.append("status = 'enabled'")
        case .disabled: conditions.append("status <> 'enabled'")
        }
        return conditions
    }

    /// One page in order of identifiers, which is the order of creation.
    static func page<Element: Sendable>(
        _ select: SQL, from table: SQL, _ conditions: [SQL], _ page: PageRequest, on pool: PostgresPool,
        identifier: (Element) -> String, decode: (PostgresRow) throws -> Element
    ) async throws -> ListPage<Element> {
        let total =
            try await pool.execute("SELECT count(*) FROM " + table + " " + condition(conditions))
            .first.map { try $0.decode(Int64.self, at: 0) } ?? 0
        var conditions = conditions
        if case .after(let position) = page.start {
            guard let after = EventID(position) else {
                throw ServiceError(.malformed, reason: "invalid-parameter", "'cursor' is not one that a list gave")
            }
            conditions.append("id > \(after)")
        }
        let rows = try await pool.execute(
            select + " FROM " + table + " " + condition(conditions)
                + " ORDER BY id LIMIT \(Int64(page.limit) + 1) OFFSET \(Int64(page.offset))")
        var elements: [Element] = []
        for row in rows.prefix(page.limit) { elements.append(try decode(row)) }
        return ListPage(
            total: Int(clamping: total), elements: elements,
            next: rows.count > page.limit ? elements.last.map(identifier) : nil)
    }
}
