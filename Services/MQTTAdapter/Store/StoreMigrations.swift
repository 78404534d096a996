// SPDX-License-Identifier: Apache-2.0

/// One step of the file's history: applied once, in order of number, never changed afterwards, never undone. Its number is the file's `user_version`.
struct StoreMigration: Sendable {
    /// Consecutive from 1.
    let number: Int64
    let name: String
    /// One or more statements, run in a transaction.
    let sql: String
}

/// The history of the file that keeps sessions.
enum StoreMigrations {
    /// `PRAGMA application_id` of the file, "MQSS": another program's database is never written to.
    static let applicationIdentifier: Int64 = 0x4D51_5353

    static let all = [createTables]

    /// Unsigned 64-bit numbers are kept by their bit pattern, identifiers as their 16 bytes.
    ///
    /// A message's body is kept once under its sequence number. It goes with its last entry, whatever removes that.
    private static let createTables = StoreMigration(
        number: 1, name: "create-tables",
        sql: """
            CREATE TABLE sessions (
                session INTEGER PRIMARY KEY CHECK (session <> 0),
                thing BLOB NOT NULL CHECK (length(thing) = 16),
                domain BLOB NOT NULL CHECK (length(domain) = 16),
                client_identifier TEXT NOT NULL,
                version INTEGER NOT NULL,
                expiry_seconds INTEGER NOT NULL,
                closed_at INTEGER,
                will BLOB,
                will_delay_seconds INTEGER,
                CHECK ((will IS NULL) = (will_delay_seconds IS NULL))
            ) STRICT;

            CREATE TABLE subscriptions (
                session INTEGER NOT NULL,
                filter TEXT NOT NULL,
                options INTEGER NOT NULL,
                identifier INTEGER NOT NULL,
                channel BLOB CHECK (length(channel) = 16),
                PRIMARY KEY (session, filter)
            ) STRICT, WITHOUT ROWID;

            CREATE TABLE receptions (
                session INTEGER NOT NULL,
                packet_identifier INTEGER NOT NULL,
                message_id TEXT NOT NULL,
                is_stored INTEGER NOT NULL CHECK (is_stored IN (0, 1)),
                position INTEGER NOT NULL,
                PRIMARY KEY (session, packet_identifier)
            ) STRICT, WITHOUT ROWID;

            CREATE TABLE messages (
                message INTEGER PRIMARY KEY,
                envelope BLOB NOT NULL
            ) STRICT;

            CREATE TABLE entries (
                session INTEGER NOT NULL,
                number INTEGER NOT NULL CHECK (number >= 0),
                sequence INTEGER NOT NULL,
                message INTEGER NOT NULL,
                bytes INTEGER NOT NULL CHECK (bytes BETWEEN 0 AND 4294967295),
                qos INTEGER NOT NULL,
                retain INTEGER NOT NULL CHECK (retain IN (0, 1)),
                filter TEXT NOT NULL,
                subscription_identifiers BLOB NOT NULL,
                packet_identifier INTEGER NOT NULL,
                is_released INTEGER NOT NULL CHECK (is_released IN (0, 1)),
                PRIMARY KEY (session, number)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX entries_by_message ON entries (message);

            CREATE TRIGGER remove_unused_message AFTER DELETE ON entries BEGIN
                DELETE FROM messages WHERE message = OLD.message
                    AND NOT EXISTS (SELECT 1 FROM entries WHERE message = OLD.message);
            END;

            CREATE TABLE retained (
                channel BLOB NOT NULL CHECK (length(channel) = 16),
                subtopic TEXT NOT NULL,
                sequence INTEGER NOT NULL,
                envelope BLOB NOT NULL,
                expires_at INTEGER,
                PRIMARY KEY (channel, subtopic)
            ) STRICT;

            CREATE TABLE position (
                only INTEGER PRIMARY KEY CHECK (only = 1),
                stream BLOB NOT NULL CHECK (length(stream) = 16),
                sequence INTEGER NOT NULL
            ) STRICT;
            """)
}
