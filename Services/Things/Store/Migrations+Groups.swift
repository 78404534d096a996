// SPDX-License-Identifier: Apache-2.0
import Postgres

extension ThingsMigrations {
    /// Groups know their whole path: what is below one and what is above it are each one indexed question, and moving one rewrites the paths below it.
    ///
    /// A thing, a channel and a grant refer to their group with its domain, as connections do to their ends.
    static let createGroups = Migration(
        number: 4, name: "create-groups",
        sql: """
            CREATE TABLE groups (
                id uuid PRIMARY KEY,
                domain uuid NOT NULL,
                parent uuid,
                path uuid[] NOT NULL,
                name text NOT NULL,
                folded_name text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED,
                description text NOT NULL,
                metadata jsonb NOT NULL CHECK (jsonb_typeof(metadata) = 'object'),
                created_at bigint NOT NULL,
                created_by uuid,
                updated_at bigint NOT NULL,
                updated_by uuid,
                CONSTRAINT groups_in_domain UNIQUE (id, domain),
                CONSTRAINT groups_parent FOREIGN KEY (parent, domain) REFERENCES groups (id, domain),
                CONSTRAINT groups_path CHECK (
                    path[cardinality(path)] = id AND path[cardinality(path) - 1] IS NOT DISTINCT FROM parent)
            );
            CREATE INDEX groups_by_id ON groups (domain, id);
            CREATE INDEX groups_by_name ON groups (domain, name, id);
            CREATE INDEX groups_by_folded_name ON groups (domain, folded_name COLLATE "C") INCLUDE (id);
            CREATE INDEX groups_by_parent ON groups (parent);
            CREATE INDEX groups_by_path ON groups USING gin (path) WITH (fastupdate = off);

            ALTER TABLE things ADD COLUMN parent uuid,
                ADD CONSTRAINT things_group FOREIGN KEY (parent, domain) REFERENCES groups (id, domain);
            CREATE INDEX things_by_group ON things (parent, id) WHERE parent IS NOT NULL;
            DROP INDEX things_by_id, things_by_name;
            CREATE INDEX things_by_id ON things (domain, id) INCLUDE (is_enabled, parent);
            CREATE INDEX things_by_name ON things (domain, name, id) INCLUDE (is_enabled, parent);

            ALTER TABLE channels ADD COLUMN parent uuid,
                ADD CONSTRAINT channels_group FOREIGN KEY (parent, domain) REFERENCES groups (id, domain);
            CREATE INDEX channels_by_group ON channels (parent, id) WHERE parent IS NOT NULL;
            DROP INDEX channels_by_id, channels_by_name;
            CREATE INDEX channels_by_id ON channels (domain, id) INCLUDE (is_enabled, parent);
            CREATE INDEX channels_by_name ON channels (domain, name, id) INCLUDE (is_enabled, parent);

            CREATE TABLE grants (
                domain uuid NOT NULL,
                user_id uuid NOT NULL,
                thing uuid,
                channel uuid,
                group_id uuid,
                -- 1 viewer, 2 editor, 3 admin
                role smallint NOT NULL CHECK (role BETWEEN 1 AND 3),
                created_at bigint NOT NULL,
                created_by uuid,
                CONSTRAINT grants_on_one CHECK (num_nonnulls(thing, channel, group_id) = 1),
                CONSTRAINT grants_of_thing UNIQUE (thing, user_id),
                CONSTRAINT grants_of_channel UNIQUE (channel, user_id),
                CONSTRAINT grants_of_group UNIQUE (group_id, user_id),
                CONSTRAINT grants_thing FOREIGN KEY (thing, domain)
                    REFERENCES things (id, domain) ON DELETE CASCADE,
                CONSTRAINT grants_channel FOREIGN KEY (channel, domain)
                    REFERENCES channels (id, domain) ON DELETE CASCADE,
                CONSTRAINT grants_group FOREIGN KEY (group_id, domain)
                    REFERENCES groups (id, domain) ON DELETE CASCADE
            );
            CREATE INDEX grants_of_user ON grants (user_id, domain);
            """)
}
