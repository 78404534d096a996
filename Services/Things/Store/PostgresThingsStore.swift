// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore
import Postgres

/// ``ThingsStore`` and ``RightsStore`` in the schema `things`.
struct PostgresThingsStore: Sendable {
    let pool: PostgresPool
    let announcer: Announcer

    /// A deadlock or serialization failure is tried again so often before the client is told to.
    private static let attempts = 3

    /// One statement.
    func execute(_ sql: SQL) async throws(ServiceError) -> PostgresResult {
        do throws(PostgresError) {
            return try await pool.execute(sql)
        } catch {
            throw ServiceError(storing: error)
        }
    }

    /// Runs `body` in a transaction, writes the events that it returns into the same one, and waits, briefly, until they are announced.
    func change<Result: Sendable>(
        _ body: @escaping @Sendable (PostgresConnection) async throws -> (Result, [EntityEvent])
    ) async throws(ServiceError) -> Result {
        let announcement = Announcement()
        defer { announcer.forget(announcement) }
        do {
            let result = try await pool.withTransaction(maximumAttempts: Self.attempts) { connection in
                let (result, events) = try await body(connection)
                try await announcer.append(events, as: announcement, on: connection)
                return result
            }
            await announcer.wait(for: announcement)
            return result
        } catch let error as PostgresError {
            throw ServiceError(storing: error)
        } catch let error as ServiceError {
            throw error
        } catch is CancellationError {
            throw ThingsRefusal.away("cancelled")
        } catch {
            throw ServiceError(
                .internalFailure, reason: "internal", "something went wrong on our side",
                detail: String(reflecting: error))
        }
    }

    func rows<Item>(
        of result: PostgresResult, _ decode: (PostgresRow) throws(PostgresError) -> Item
    ) throws(ServiceError) -> [Item] {
        do throws(PostgresError) {
            var items: [Item] = []
            items.reserveCapacity(result.count)
            for row in result { items.append(try decode(row)) }
            return items
        } catch {
            throw ServiceError(storing: error)
        }
    }
}

extension ServiceError {
    /// What a failure of the database means to who asked.
    init(storing error: PostgresError) {
        switch error.constraint {
        case "things_pkey", "things_in_domain", "channels_pkey", "channels_in_domain", "groups_pkey",
            "groups_in_domain":
            self = ThingsRefusal.duplicateIdentifier
        case "thing_keys_pkey": self = ThingsRefusal.duplicateKey
        case "thing_psks_identity": self = ThingsRefusal.duplicatePreSharedKeyIdentity
        case "channels_route": self = ThingsRefusal.duplicateRoute
        case "connections_of_thing", "connections_of_channel", "thing_keys_thing_fkey", "groups_parent",
            "things_group", "channels_group", "grants_thing", "grants_channel", "grants_group":
            self = ThingsRefusal.concurrentChange
        default:
            if error.isRetriable || error.kind == .cancelled || error.kind == .closed {
                self = ThingsRefusal.away("\(error)")
            } else if error.isDataError {
                self.init(
                    .unprocessable, reason: "not-storable", "the database cannot store one of the values",
                    detail: "\(error)")
            } else {
                self.init(
                    .internalFailure, reason: "internal", "something went wrong on our side", detail: "\(error)")
            }
        }
    }
}
