// SPDX-License-Identifier: Apache-2.0

/// Every statement of the store's daily work. A test asks SQLite for the plan of each: none may scan a table.
enum StoreSQL {
    static let hasSession = "SELECT 1 FROM sessions WHERE session = ?1"
    static let session = """
        INSERT INTO sessions (
            session, thing, domain, client_identifier, version, expiry_seconds, closed_at, will, will_delay_seconds)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
        ON CONFLICT (session) DO UPDATE SET
            thing = excluded.thing, domain = excluded.domain, client_identifier = excluded.client_identifier,
            version = excluded.version, expiry_seconds = excluded.expiry_seconds, closed_at = excluded.closed_at,
            will = excluded.will, will_delay_seconds = excluded.will_delay_seconds
        """
    static let removeSession = "DELETE FROM sessions WHERE session = ?1"
    static let removeSubscriptions = "DELETE FROM subscriptions WHERE session = ?1"
    static let removeReceptions = "DELETE FROM receptions WHERE session = ?1"
    static let sizeOfEntries = "SELECT count(*), coalesce(sum(bytes), 0) FROM entries WHERE session = ?1"
    static let removeEntries = "DELETE FROM entries WHERE session = ?1"

    static let subscription = """
        INSERT INTO subscriptions (session, filter, options, identifier, channel) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (session, filter) DO UPDATE SET
            options = excluded.options, identifier = excluded.identifier, channel = excluded.channel
        """
    static let removeSubscription = "DELETE FROM subscriptions WHERE session = ?1 AND filter = ?2"

    static let reception = """
        INSERT INTO receptions (session, packet_identifier, message_id, is_stored, position) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (session, packet_identifier) DO UPDATE SET
            message_id = excluded.message_id, is_stored = excluded.is_stored, position = excluded.position
        """
    static let removeReception = "DELETE FROM receptions WHERE session = ?1 AND packet_identifier = ?2"

    static let entry = """
        INSERT INTO entries (
            session, number, sequence, message, bytes, qos, retain, filter, subscription_identifiers,
            packet_identifier, is_released)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT DO NOTHING
        """
    static let message = "INSERT INTO messages (message, envelope) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
    static let hasSameMessage = "SELECT 1 FROM messages WHERE message = ?1 AND envelope = ?2"
    static let useMessage = "UPDATE entries SET message = ?3 WHERE session = ?1 AND number = ?2"
    static let sent = "UPDATE entries SET packet_identifier = ?3 WHERE session = ?1 AND number = ?2"
    static let released = "UPDATE entries SET is_released = 1 WHERE session = ?1 AND number = ?2"
    static let removeEntry = "DELETE FROM entries WHERE session = ?1 AND number = ?2 RETURNING bytes"
    /// What the trigger of a removed entry does.
    static let removeUnusedMessage = """
        DELETE FROM messages WHERE message = ?1 AND NOT EXISTS (SELECT 1 FROM entries WHERE message = ?1)
        """

    static let entries = """
        SELECT \(entryColumns), m.envelope FROM entries AS e LEFT JOIN messages AS m ON m.message = e.message
        WHERE e.session = ?1 AND e.number > ?2 ORDER BY e.number
        """

    static let retained = """
        INSERT INTO retained (channel, subtopic, sequence, envelope, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (channel, subtopic) DO UPDATE SET
            sequence = excluded.sequence, envelope = excluded.envelope, expires_at = excluded.expires_at
        """
    static let removeRetained = "DELETE FROM retained WHERE channel = ?1 AND subtopic = ?2"
    static let position = """
        INSERT INTO position (only, stream, sequence) VALUES (1, ?1, ?2)
        ON CONFLICT (only) DO UPDATE SET stream = excluded.stream, sequence = excluded.sequence
        """

    static let all = [
        hasSession, session, removeSession, removeSubscriptions, removeReceptions, sizeOfEntries, removeEntries,
        subscription, removeSubscription, reception, removeReception, entry, message, hasSameMessage, useMessage,
        sent, released, removeEntry, removeUnusedMessage, entries, retained, removeRetained, position,
    ]

    private static let entryColumns = """
        e.number, e.sequence, e.bytes, e.qos, e.retain, e.filter, e.subscription_identifiers, e.packet_identifier,
        e.is_released
        """
}

/// What is read once, at the start: whole tables, in the order of their keys.
enum StoreLoadSQL {
    static let sessions = """
        SELECT session, thing, domain, client_identifier, version, expiry_seconds, closed_at, will, will_delay_seconds
        FROM sessions
        """
    static let subscriptions = "SELECT session, filter, options, identifier, channel FROM subscriptions"
    static let receptions = "SELECT session, packet_identifier, message_id, is_stored, position FROM receptions"
    /// The envelopes of entries that were sent; of the others only their length, which SQLite knows without reading them.
    static let entries = """
        SELECT e.number, e.sequence, e.bytes, e.qos, e.retain, e.filter, e.subscription_identifiers,
            e.packet_identifier, e.is_released, CASE WHEN e.packet_identifier <> 0 THEN m.envelope END, e.session,
            length(m.envelope)
        FROM entries AS e LEFT JOIN messages AS m ON m.message = e.message ORDER BY e.session, e.number
        """
    static let retained = "SELECT channel, subtopic, sequence, envelope, expires_at FROM retained"
    static let position = "SELECT stream, sequence FROM position"
    static let totals = "SELECT count(*), coalesce(sum(bytes), 0) FROM entries"
}
