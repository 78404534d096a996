// SPDX-License-Identifier: Apache-2.0
import Postgres

extension ThingsMigrations {
    /// Which domains are switched off, as `users` announced it last, with the place of that announcement: one that comes again later changes nothing.
    static let keepDomainStates = Migration(
        number: 6, name: "keep-domain-states",
        sql: """
            CREATE TABLE domain_states (
                domain uuid PRIMARY KEY,
                is_enabled boolean NOT NULL,
                stream uuid NOT NULL,
                sequence bigint NOT NULL
            );
            """)
}
