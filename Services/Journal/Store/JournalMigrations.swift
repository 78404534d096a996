// SPDX-License-Identifier: Apache-2.0
import Postgres

/// The history of schema `journal`.
enum JournalMigrations {
    static let all = [createEntries, removeExpired]

    /// What is written stays as it was written: not even this service's own role can change it by mistake. (Who owns the tables can drop them.)
    private static let createEntries = Migration(
        number: 1, name: "create-entries",
        sql: """
            CREATE TABLE entries (
                number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                id uuid NOT NULL UNIQUE,
                at bigint NOT NULL,
                until bigint,
                count integer NOT NULL CHECK (count > 0),
                service text NOT NULL,
                entity text NOT NULL,
                operation text NOT NULL,
                result text NOT NULL CHECK (result IN ('done', 'refused', 'failed')),
                status integer,
                reason text,
                domain uuid,
                actor uuid,
                address text,
                request text,
                session uuid,
                is_key boolean,
                entities uuid[] NOT NULL,
                detail jsonb NOT NULL,
                recorded_at bigint NOT NULL
            );
            CREATE INDEX entries_by_time ON entries (at, number);
            CREATE INDEX entries_by_domain ON entries (domain, at, number);
            CREATE INDEX entries_by_actor ON entries (actor, at, number);

            CREATE TABLE entry_entities (
                entity uuid NOT NULL,
                at bigint NOT NULL,
                number bigint NOT NULL,
                PRIMARY KEY (entity, at, number)
            );

            CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'insufficient_privilege';
            END
            $$;
            CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
            CREATE TRIGGER entry_entities_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry_entities
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
            """)
}
