// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

/// The two statements that find a resource's last message: where it is, by one descent of a small table's key, and its rows there, which are named by
/// channel, time and number, so that all partitions but those of that time are left out.
struct LastMessageSQL {
    let channel: ChannelID
    let subtopic: String

    /// Where a message is.
    struct Place: Equatable {
        var sequence: Int64
        var created: Int64
        var format: MessageFilter.Format
        var times: ClosedRange<Int64>
    }

    var place: SQL {
        """
        SELECT sequence, created, kind, first_time, last_time FROM last_messages
        WHERE channel = \(channel) AND subtopic = \(subtopic)
        """
    }

    /// The columns of ``StoredMessage``, in chronological order.
    func rows(_ place: Place) -> SQL {
        switch place.format {
        case .messages:
            """
            SELECT \(StoredMessage.recordColumns) FROM senml
            WHERE channel = \(channel) AND time >= \(place.times.lowerBound) AND time <= \(place.times.upperBound)
                AND sequence = \(place.sequence) AND subtopic = \(subtopic)
            ORDER BY time, sequence, record LIMIT \(Limits.senmlRecords)
            """
        case .json:
            """
            SELECT created, sequence, 0 AS record, subtopic, publisher, protocol, payload::text AS payload FROM json
            WHERE channel = \(channel) AND created = \(place.created) AND sequence = \(place.sequence)
                AND subtopic = \(subtopic)
            LIMIT 1
            """
        case .blobs:
            """
            SELECT created, sequence, 0 AS record, subtopic, publisher, protocol, content_type, payload FROM blobs
            WHERE channel = \(channel) AND created = \(place.created) AND sequence = \(place.sequence)
                AND subtopic = \(subtopic)
            LIMIT 1
            """
        }
    }
}

extension LastMessageSQL.Place {
    init(_ row: PostgresRow) throws(PostgresError) {
        let (sequence, created, kind, first, last) = try row.decode((Int64, Int64, String, Int64, Int64).self)
        let format: MessageFilter.Format
        switch kind {
        case "senml": format = .messages
        case "json": format = .json
        case "blobs": format = .blobs
        default: throw PostgresError(.decoding, "no table of messages: \(kind)", column: "kind")
        }
        guard first <= last else { throw PostgresError(.decoding, "times in the wrong order", column: "last_time") }
        self.init(sequence: sequence, created: created, format: format, times: first...last)
    }
}
