// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Postgres

extension PostgresThingsStore: ThingsStore {
    func connect(
        _ pairs: ConnectionPairs, _ directions: Directions, in domain: DomainID, _ events: ChangeEvents
    ) async throws(ServiceError) {
        let publish = directions.contains(.publish)
        let subscribe = directions.contains(.subscribe)
        try await change { connection in
            // In one order always, so that two requests do not wait for each other's rows.
            let changed = try await connection.execute(
                """
                INSERT INTO connections AS old (thing, channel, domain, publish, subscribe, created_at)
                SELECT thing, channel, \(domain), \(publish), \(subscribe), \(events.at)
                FROM unnest(\(pairs.things)) AS thing CROSS JOIN unnest(\(pairs.channels)) AS channel
                ORDER BY thing, channel
                ON CONFLICT (thing, channel) DO UPDATE
                SET publish = old.publish OR excluded.publish, subscribe = old.subscribe OR excluded.subscribe
                WHERE (excluded.publish AND NOT old.publish) OR (excluded.subscribe AND NOT old.subscribe)
                RETURNING thing, channel
                """)
            return ((), try Self.events(changed) { events.connection($0, $1, .created) })
        }
    }

    func disconnect(
        _ pairs: ConnectionPairs, _ directions: Directions, in domain: DomainID, _ events: ChangeEvents
    ) async throws(ServiceError) {
        let publish = directions.contains(.publish)
        let subscribe = directions.contains(.subscribe)
        try await change { connection in
            let removed = try await connection.execute(
                """
                DELETE FROM connections
                WHERE thing = ANY(\(pairs.things)) AND channel = ANY(\(pairs.channels)) AND domain = \(domain)
                    AND NOT ((publish AND NOT \(publish)) OR (subscribe AND NOT \(subscribe)))
                RETURNING thing, channel
                """)
            let narrowed = try await connection.execute(
                """
                UPDATE connections SET publish = publish AND NOT \(publish), subscribe = subscribe AND NOT \(subscribe)
                WHERE thing = ANY(\(pairs.things)) AND channel = ANY(\(pairs.channels)) AND domain = \(domain)
                    AND ((publish AND \(publish)) OR (subscribe AND \(subscribe)))
                RETURNING thing, channel
                """)
            return (
                (),
                try Self.events(removed) { events.connection($0, $1, .removed) }
                    + Self.events(narrowed) { events.connection($0, $1, .updated) }
            )
        }
    }

    private static func events(
        _ rows: PostgresResult, _ event: (ThingID, ChannelID) -> EntityEvent
    ) throws(PostgresError) -> [EntityEvent] {
        var events: [EntityEvent] = []
        for row in rows {
            let (thing, channel) = try row.decode((ThingID, ChannelID).self)
            events.append(event(thing, channel))
        }
        return events
    }
}
