// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Postgres

extension PostgresThingsStore: DomainStatesStore {
    func setDomain(enabled isEnabled: Bool, at place: StreamPlace, _ events: ChangeEvents) async throws(ServiceError) {
        let sequence = Int64(clamping: place.sequence)
        try await change { connection in
            let changed = try await connection.execute(
                """
                INSERT INTO domain_states AS old (domain, is_enabled, stream, sequence)
                VALUES (\(events.actor.domain), \(isEnabled), \(place.stream), \(sequence))
                ON CONFLICT (domain) DO UPDATE
                SET is_enabled = excluded.is_enabled, stream = excluded.stream, sequence = excluded.sequence
                WHERE old.stream <> excluded.stream OR old.sequence < excluded.sequence
                RETURNING domain
                """)
            return ((), changed.isEmpty ? [] : [events.domain(isEnabled ? .enabled : .disabled)])
        }
    }
}
