// SPDX-License-Identifier: Apache-2.0
import Postgres

extension ThingsMigrations {
    /// When a role was given last: who leaves a domain loses what was given until then, and keeps what was given after coming back.
    static let rememberGiving = Migration(
        number: 5, name: "remember-giving",
        sql: """
            ALTER TABLE grants ADD COLUMN given_at bigint;
            UPDATE grants SET given_at = created_at;
            ALTER TABLE grants ALTER COLUMN given_at SET NOT NULL;
            """)
}
