// SPDX-License-Identifier: Apache-2.0
import Postgres

/// The history of schema `things`.
enum ThingsMigrations {
    static let all = [
        createThings, Outbox.migration(number: 2), indexLists, createGroups, rememberGiving, keepDomainStates,
        createPreSharedKeys,
    ]

    /// A connection carries its domain, and both its ends refer to it with theirs: one between two domains cannot be stored.
    private static let createThings = Migration(
        number: 1, name: "create-things",
        sql: """
            CREATE TABLE things (
                id uuid PRIMARY KEY,
                domain uuid NOT NULL,
                name text NOT NULL,
                tags text[] NOT NULL,
                metadata jsonb NOT NULL CHECK (jsonb_typeof(metadata) = 'object'),
                is_enabled boolean NOT NULL DEFAULT true,
                created_at bigint NOT NULL,
                created_by uuid,
                updated_at bigint NOT NULL,
                updated_by uuid,
                CONSTRAINT things_in_domain UNIQUE (id, domain)
            );
            CREATE INDEX things_by_id ON things (domain, id);
            CREATE INDEX things_by_name ON things (domain, name, id);
            CREATE INDEX things_by_tag ON things USING gin (tags);
            CREATE INDEX things_by_metadata ON things USING gin (metadata jsonb_path_ops);

            CREATE TABLE thing_keys (
                hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
                thing uuid NOT NULL REFERENCES things (id) ON DELETE CASCADE,
                created_at bigint NOT NULL
            );
            CREATE INDEX thing_keys_by_thing ON thing_keys (thing);

            CREATE TABLE channels (
                id uuid PRIMARY KEY,
                domain uuid NOT NULL,
                route text,
                name text NOT NULL,
                tags text[] NOT NULL,
                metadata jsonb NOT NULL CHECK (jsonb_typeof(metadata) = 'object'),
                is_enabled boolean NOT NULL DEFAULT true,
                created_at bigint NOT NULL,
                created_by uuid,
                updated_at bigint NOT NULL,
                updated_by uuid,
                CONSTRAINT channels_in_domain UNIQUE (id, domain),
                CONSTRAINT channels_route UNIQUE (domain, route)
            );
            CREATE INDEX channels_by_id ON channels (domain, id);
            CREATE INDEX channels_by_name ON channels (domain, name, id);
            CREATE INDEX channels_by_tag ON channels USING gin (tags);
            CREATE INDEX channels_by_metadata ON channels USING gin (metadata jsonb_path_ops);

            CREATE TABLE connections (
                thing uuid NOT NULL,
                channel uuid NOT NULL,
                domain uuid NOT NULL,
                publish boolean NOT NULL,
                subscribe boolean NOT NULL,
                created_at bigint NOT NULL,
                PRIMARY KEY (thing, channel),
                CONSTRAINT connections_of_thing FOREIGN KEY (thing, domain)
                    REFERENCES things (id, domain) ON DELETE CASCADE,
                CONSTRAINT connections_of_channel FOREIGN KEY (channel, domain)
                    REFERENCES channels (id, domain) ON DELETE CASCADE,
                CONSTRAINT connections_allow_something CHECK (publish OR subscribe)
            );
            CREATE INDEX connections_by_channel ON connections (channel, thing);
            """)

    /// Indexes that answer lists alone, for 100,000 things in one domain and as many in others (``ListSQL``).
    ///
    /// Searches of tags and metadata must not meet other domains' entries: `in_domain` puts the domain before each tag and above the metadata, and the GIN
    /// indexes hold that. Entries wait in a GIN index's pending list, which every search reads: 256 kB of it is half a millisecond.
    /// A folded name has at most 1.5 times the bytes of the name, which fits an index entry.
    private static let indexLists = Migration(
        number: 3, name: "index-lists",
        sql: """
            CREATE FUNCTION in_domain(domain uuid, tags text[]) RETURNS text[]
                LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
                AS $$ SELECT coalesce(array_agg(domain::text || tag), '{}') FROM unnest(tags) AS tag $$;
            CREATE FUNCTION in_domain(domain uuid, metadata jsonb) RETURNS jsonb
                LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
                AS $$ SELECT jsonb_build_object(domain::text, metadata) $$;

            ALTER TABLE things ADD COLUMN folded_name text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED;
            DROP INDEX things_by_id, things_by_name, things_by_tag, things_by_metadata;
            CREATE INDEX things_by_id ON things (domain, id) INCLUDE (is_enabled);
            CREATE INDEX things_by_name ON things (domain, name, id) INCLUDE (is_enabled);
            CREATE INDEX things_by_folded_name ON things (domain, folded_name COLLATE "C") INCLUDE (id);
            CREATE INDEX things_by_tag ON things USING gin (in_domain(domain, tags))
                WITH (gin_pending_list_limit = 256);
            CREATE INDEX things_by_metadata ON things USING gin (in_domain(domain, metadata) jsonb_path_ops)
                WITH (gin_pending_list_limit = 256);

            ALTER TABLE channels ADD COLUMN folded_name text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED;
            DROP INDEX channels_by_id, channels_by_name, channels_by_tag, channels_by_metadata;
            CREATE INDEX channels_by_id ON channels (domain, id) INCLUDE (is_enabled);
            CREATE INDEX channels_by_name ON channels (domain, name, id) INCLUDE (is_enabled);
            CREATE INDEX channels_by_folded_name ON channels (domain, folded_name COLLATE "C") INCLUDE (id);
            CREATE INDEX channels_by_tag ON channels USING gin (in_domain(domain, tags))
                WITH (gin_pending_list_limit = 256);
            CREATE INDEX channels_by_metadata ON channels USING gin (in_domain(domain, metadata) jsonb_path_ops)
                WITH (gin_pending_list_limit = 256);

            -- One statement may write a thousand rows: statistics should not wait for a fifth of the table.
            ALTER TABLE things SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
            ALTER TABLE channels SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
            ALTER TABLE connections
                SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
            """)
}
