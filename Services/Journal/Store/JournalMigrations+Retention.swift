// SPDX-License-Identifier: Apache-2.0
import Postgres

extension JournalMigrations {
    /// Lets what is old go, by `remove_expired` alone, and keeps account of it.
    ///
    /// The triggers let a transaction delete what is older than the limit that it has entered in `removals` before, which only takes one that is a day
    /// back, takes time and transaction from the server, and is itself never changed. So whoever deletes leaves word of it, and nobody deletes what is
    /// young. The functions find their tables whatever the caller's search path or temporary tables are.
    ///
    /// Entries are not partitioned by time: a notice that comes again is found by its identifier, whenever it came first.
    static let removeExpired = Migration(
        number: 2, name: "remove-expired",
        sql: """
            CREATE TABLE removals (
                number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                transaction xid8 NOT NULL,
                at bigint NOT NULL,
                before bigint NOT NULL,
                entries integer NOT NULL CHECK (entries > 0),
                CONSTRAINT removals_leave_a_day CHECK (before <= at - 86400000000000)
            );
            CREATE INDEX removals_by_transaction ON removals (transaction);

            CREATE FUNCTION sign_removal() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                NEW.transaction := pg_current_xact_id();
                NEW.at := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000;
                RETURN NEW;
            END
            $$;
            CREATE TRIGGER removals_signed BEFORE INSERT ON removals FOR EACH ROW EXECUTE FUNCTION sign_removal();
            CREATE TRIGGER removals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON removals
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

            CREATE FUNCTION refuse_unsigned_removal() RETURNS trigger LANGUAGE plpgsql
                SET search_path = journal, pg_temp AS $$
            BEGIN
                IF NOT EXISTS (SELECT FROM removals WHERE transaction = pg_current_xact_id()) THEN
                    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'insufficient_privilege';
                END IF;
                RETURN NULL;
            END
            $$;
            CREATE FUNCTION refuse_young_removal() RETURNS trigger LANGUAGE plpgsql
                SET search_path = journal, pg_temp AS $$
            DECLARE
                newest bigint := OLD.at;
            BEGIN
                IF TG_TABLE_NAME = 'entries' THEN
                    newest := greatest(OLD.at, OLD.recorded_at);
                END IF;
                IF NOT EXISTS (
                    SELECT FROM removals WHERE transaction = pg_current_xact_id() AND newest < before
                ) THEN
                    RAISE EXCEPTION 'the journal keeps what is not old enough' USING ERRCODE = 'insufficient_privilege';
                END IF;
                RETURN OLD;
            END
            $$;

            DROP TRIGGER entries_append_only ON entries;
            CREATE TRIGGER entries_append_only BEFORE UPDATE OR TRUNCATE ON entries
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
            CREATE TRIGGER entries_removed BEFORE DELETE ON entries
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_unsigned_removal();
            CREATE TRIGGER entries_removed_old BEFORE DELETE ON entries
                FOR EACH ROW EXECUTE FUNCTION refuse_young_removal();
            DROP TRIGGER entry_entities_append_only ON entry_entities;
            CREATE TRIGGER entry_entities_append_only BEFORE UPDATE OR TRUNCATE ON entry_entities
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
            CREATE TRIGGER entry_entities_removed BEFORE DELETE ON entry_entities
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_unsigned_removal();
            CREATE TRIGGER entry_entities_removed_old BEFORE DELETE ON entry_entities
                FOR EACH ROW EXECUTE FUNCTION refuse_young_removal();

            -- Removes the oldest entries that both happened and were written down before a time, at most so many, and says how many went.
            CREATE FUNCTION remove_expired(expired_before bigint, maximum integer) RETURNS integer LANGUAGE plpgsql
                SET search_path = journal, pg_temp AS $$
            DECLARE
                expired bigint[] := ARRAY(
                    SELECT number FROM entries WHERE at < expired_before AND recorded_at < expired_before
                    ORDER BY at, number LIMIT maximum);
            BEGIN
                IF cardinality(expired) = 0 THEN
                    RETURN 0;
                END IF;
                INSERT INTO removals (before, entries) VALUES (expired_before, cardinality(expired));
                DELETE FROM entry_entities AS name USING entries AS entry
                    WHERE entry.number = ANY (expired) AND name.entity = ANY (entry.entities)
                        AND name.at = entry.at AND name.number = entry.number;
                DELETE FROM entries WHERE number = ANY (expired);
                RETURN cardinality(expired);
            END
            $$;
            """)
}
