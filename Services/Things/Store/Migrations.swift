// SPDX-License-Identifier: Apache-2.0
import Postgres

/// The history of schema `things`.
enum ThingsMigrations {
    static let all = [createThings, Outbox.migration(number: 2)]

    /// A connection carries its domain, and both its ends refer to it with theirs: one between two domains cannot be stored.
    ///
    /// Lists go by (domain, id) or (domain, name, id); tags and metadata are found by their GIN indexes; a key by its hash. The part-of-a-name filter
    /// walks the domain's entries.
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
}
