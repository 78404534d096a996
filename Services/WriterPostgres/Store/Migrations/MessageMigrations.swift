// SPDX-License-Identifier: Apache-2.0
import Postgres

/// The history of schema `messages`.
enum MessageMigrations {
    static let all = [tables, readIndexes, publicDeadLetters, sequenceIndexes, lastMessages]

    /// Times are nanoseconds since 1970. `sequence` is the message's place in the bus's log; with `record` it tells rows of the same time apart.
    private static let tables = Migration(
        number: 1, name: "create-messages",
        sql: """
            CREATE TABLE senml (
                time bigint NOT NULL,
                sequence bigint NOT NULL,
                record integer NOT NULL,
                channel uuid NOT NULL,
                domain uuid NOT NULL,
                publisher uuid NOT NULL,
                subtopic text NOT NULL,
                protocol text NOT NULL,
                name text NOT NULL,
                unit text,
                value double precision,
                string_value text,
                bool_value boolean,
                data_value bytea,
                sum double precision,
                update_time double precision
            ) PARTITION BY RANGE (time);
            CREATE INDEX senml_channel_time ON senml (channel, time DESC, sequence DESC, record DESC);
            CREATE TABLE senml_default PARTITION OF senml DEFAULT;
            CREATE INDEX senml_default_time ON senml_default (time);

            CREATE TABLE json (
                created bigint NOT NULL,
                sequence bigint NOT NULL,
                channel uuid NOT NULL,
                domain uuid NOT NULL,
                publisher uuid NOT NULL,
                subtopic text NOT NULL,
                protocol text NOT NULL,
                payload jsonb NOT NULL
            ) PARTITION BY RANGE (created);
            CREATE INDEX json_channel_created ON json (channel, created DESC, sequence DESC);
            CREATE TABLE json_default PARTITION OF json DEFAULT;
            CREATE INDEX json_default_created ON json_default (created);

            CREATE TABLE blobs (
                created bigint NOT NULL,
                sequence bigint NOT NULL,
                channel uuid NOT NULL,
                domain uuid NOT NULL,
                publisher uuid NOT NULL,
                subtopic text NOT NULL,
                protocol text NOT NULL,
                content_type text NOT NULL,
                payload bytea NOT NULL
            ) PARTITION BY RANGE (created);
            CREATE INDEX blobs_channel_created ON blobs (channel, created DESC, sequence DESC);
            CREATE TABLE blobs_default PARTITION OF blobs DEFAULT;
            CREATE INDEX blobs_default_created ON blobs_default (created);

            -- record is -1 where the whole message was refused.
            CREATE TABLE dead_letters (
                stream uuid NOT NULL,
                sequence bigint NOT NULL,
                record integer NOT NULL,
                reason text NOT NULL,
                message text NOT NULL,
                subject text NOT NULL,
                envelope bytea NOT NULL,
                at bigint NOT NULL,
                PRIMARY KEY (stream, sequence, record)
            );
            CREATE INDEX dead_letters_at ON dead_letters (at);

            -- One row for each incarnation of the stream: everything up to sequence is stored.
            CREATE TABLE positions (
                stream uuid PRIMARY KEY,
                sequence bigint NOT NULL
            );
            """)

    /// What the reader asks for most beside the newest: one SenML name (it says which sensor: RFC 8428 section 4.5.1), and one thing's JSON or blobs,
    /// which have no name. By measurement: `Services/ReaderPostgres/README.md`. Names are compared by bytes (`"C"`), which fills the index a sixth
    /// faster than the database's collation; only a statement that compares them so too is served by it.
    ///
    /// The default partitions' indexes on time alone, which the writer needs to find what is old, could be taken for one in the order of a channel's
    /// messages by a plan that does not know the channel, which then walks through everybody's: so they get an order that nobody asks for.
    private static let readIndexes = Migration(
        number: 2, name: "index-for-reading",
        sql: """
            CREATE INDEX senml_channel_name_time
                ON senml (channel, name COLLATE "C", time DESC, sequence DESC, record DESC);
            CREATE INDEX json_channel_publisher_created ON json (channel, publisher, created DESC, sequence DESC);
            CREATE INDEX blobs_channel_publisher_created ON blobs (channel, publisher, created DESC, sequence DESC);

            DROP INDEX senml_default_time, json_default_created, blobs_default_created;
            CREATE INDEX senml_default_time ON senml_default (time NULLS FIRST);
            CREATE INDEX json_default_created ON json_default (created NULLS FIRST);
            CREATE INDEX blobs_default_created ON blobs_default (created NULLS FIRST);
            """)

    /// Lets dead letters be listed by channel, which is who may see them. Those that are there already get what can be told of them: the channel
    /// from the subject; the publisher, field 4 of the envelope (`RawMessage.proto`), from where it stands when the fields before it come in order.
    private static let publicDeadLetters = Migration(
        number: 3, name: "dead-letters-by-channel",
        sql: """
            -- NULL where the message does not tell: such a letter is for operators only.
            ALTER TABLE dead_letters ADD COLUMN channel uuid, ADD COLUMN publisher uuid;
            UPDATE dead_letters SET channel = split_part(subject, '.', 2)::uuid
                WHERE split_part(subject, '.', 1) = 'channels'
                    AND split_part(subject, '.', 2) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
            UPDATE dead_letters AS letter SET publisher = found.text::uuid
                FROM (
                    SELECT stream, sequence, record,
                        encode(substring(rest FROM 3 FOR 36), 'escape') AS text, substring(rest FROM 1 FOR 2) AS tag
                    FROM (
                        SELECT stream, sequence, record,
                            -- Behind channel and domain, 38 bytes each, and perhaps the subtopic with a length of one or two bytes.
                            CASE
                                WHEN substring(envelope FROM 77 FOR 1) <> '\\x1a' THEN substring(envelope FROM 77 FOR 38)
                                WHEN get_byte(envelope, 77) < 128
                                    THEN substring(envelope FROM 79 + get_byte(envelope, 77) FOR 38)
                                ELSE substring(
                                    envelope FROM 80 + get_byte(envelope, 77) - 128 + 128 * get_byte(envelope, 78) FOR 38)
                            END AS rest
                        FROM dead_letters
                        WHERE octet_length(envelope) >= 116 AND substring(envelope FROM 1 FOR 2) = '\\x0a24'
                            AND substring(envelope FROM 39 FOR 2) = '\\x1224') AS behind) AS found
                WHERE found.tag = '\\x2224' AND found.text ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                    AND (letter.stream, letter.sequence, letter.record)
                        = (found.stream, found.sequence, found.record);
            CREATE INDEX dead_letters_channel_at
                ON dead_letters (channel, at DESC, sequence DESC, record DESC, stream DESC);
            CREATE INDEX dead_letters_channel_sequence ON dead_letters (channel, sequence);
            -- For retention only: in an order that no list asks for, as those of the default partitions.
            DROP INDEX dead_letters_at;
            CREATE INDEX dead_letters_at ON dead_letters (at NULLS FIRST);
            """)

    /// Finds the rows of one message by its number. Rows come in the order of the log, so ranges of pages know which numbers they hold: what a
    /// B-tree would cost the writer is in `Services/ReaderPostgres/README.md`, this costs next to nothing.
    private static let sequenceIndexes = Migration(
        number: 4, name: "index-sequences",
        sql: """
            CREATE INDEX senml_sequence ON senml USING brin (sequence) WITH (pages_per_range = 32, autosummarize = on);
            CREATE INDEX json_sequence ON json USING brin (sequence) WITH (pages_per_range = 32, autosummarize = on);
            CREATE INDEX blobs_sequence ON blobs USING brin (sequence) WITH (pages_per_range = 32, autosummarize = on);
            """)

    /// Where the last message of each channel and subtopic is: one row instead of an index with the subtopic in each partition, which would cost the
    /// writer as much as the others do and would have to be asked in all of them. No index but the key's and room in the pages, so that updates stay on
    /// their page. Of SenML that is there already it is not known when it was received: its latest time stands in for that.
    private static let lastMessages = Migration(
        number: 5, name: "last-messages",
        sql: """
            CREATE TABLE last_messages (
                channel uuid NOT NULL,
                subtopic text COLLATE "C" NOT NULL,
                sequence bigint NOT NULL,
                created bigint NOT NULL,
                -- The table that it is in, and the times of its rows there.
                kind text NOT NULL,
                first_time bigint NOT NULL,
                last_time bigint NOT NULL,
                PRIMARY KEY (channel, subtopic)
            ) WITH (fillfactor = 70);
            INSERT INTO last_messages
            SELECT DISTINCT ON (channel, subtopic) channel, subtopic, sequence, created, kind, first_time, last_time
            FROM (
                SELECT channel, subtopic, sequence, max(time) AS created, 'senml' AS kind, min(time) AS first_time,
                    max(time) AS last_time
                FROM senml JOIN (SELECT channel, subtopic, max(sequence) AS sequence FROM senml GROUP BY 1, 2) AS newest
                    USING (channel, subtopic, sequence)
                GROUP BY 1, 2, 3
                UNION ALL
                SELECT channel, subtopic, sequence, max(created), 'json', max(created), max(created)
                FROM json JOIN (SELECT channel, subtopic, max(sequence) AS sequence FROM json GROUP BY 1, 2) AS newest
                    USING (channel, subtopic, sequence)
                GROUP BY 1, 2, 3
                UNION ALL
                SELECT channel, subtopic, sequence, max(created), 'blobs', max(created), max(created)
                FROM blobs JOIN (SELECT channel, subtopic, max(sequence) AS sequence FROM blobs GROUP BY 1, 2) AS newest
                    USING (channel, subtopic, sequence)
                GROUP BY 1, 2, 3
            ) AS found
            ORDER BY channel, subtopic, sequence DESC;
            """)

    /// Lets the reader read, where deployment gave it a role of its own. Run at each start, because the role may come later.
    static let grants: StaticString = """
        DO $$
        BEGIN
            IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'martlet_reader_postgres') THEN
                GRANT USAGE ON SCHEMA messages TO martlet_reader_postgres;
                GRANT SELECT ON messages.senml, messages.json, messages.blobs, messages.dead_letters,
                    messages.last_messages TO martlet_reader_postgres;
            END IF;
        END
        $$
        """
}
