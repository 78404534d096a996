// SPDX-License-Identifier: Apache-2.0
import GRDB

/// The statements of the daily work, prepared once for a connection.
struct StoreStatements {
    let hasSession, session, removeSession, removeSubscriptions, removeReceptions: StoreStatement
    let sizeOfEntries, removeEntries: StoreStatement
    let subscription, removeSubscription, reception, removeReception: StoreStatement
    let entry, message, hasSameMessage, useMessage, sent, released, removeEntry, entries: StoreStatement
    let retained, removeRetained, position: StoreStatement

    init(_ database: Database) throws {
        func prepare(_ sql: String) throws -> StoreStatement { try StoreStatement(database, sql) }
        hasSession = try prepare(StoreSQL.hasSession)
        session = try prepare(StoreSQL.session)
        removeSession = try prepare(StoreSQL.removeSession)
        removeSubscriptions = try prepare(StoreSQL.removeSubscriptions)
        removeReceptions = try prepare(StoreSQL.removeReceptions)
        sizeOfEntries = try prepare(StoreSQL.sizeOfEntries)
        removeEntries = try prepare(StoreSQL.removeEntries)
        subscription = try prepare(StoreSQL.subscription)
        removeSubscription = try prepare(StoreSQL.removeSubscription)
        reception = try prepare(StoreSQL.reception)
        removeReception = try prepare(StoreSQL.removeReception)
        entry = try prepare(StoreSQL.entry)
        message = try prepare(StoreSQL.message)
        hasSameMessage = try prepare(StoreSQL.hasSameMessage)
        useMessage = try prepare(StoreSQL.useMessage)
        sent = try prepare(StoreSQL.sent)
        released = try prepare(StoreSQL.released)
        removeEntry = try prepare(StoreSQL.removeEntry)
        entries = try prepare(StoreSQL.entries)
        retained = try prepare(StoreSQL.retained)
        removeRetained = try prepare(StoreSQL.removeRetained)
        position = try prepare(StoreSQL.position)
    }
}
