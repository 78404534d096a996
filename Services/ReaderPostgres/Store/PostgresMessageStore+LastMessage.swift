// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Postgres

extension PostgresMessageStore {
    func lastMessage(channel: ChannelID, subtopic: String) async throws(ServiceError) -> LastMessage? {
        let statement = LastMessageSQL(channel: channel, subtopic: subtopic)
        let found: (place: LastMessageSQL.Place, rows: [StoredMessage])?
        do throws(PostgresError) {
            found = try await pool.perform { session throws(PostgresError) in
                guard let row = try session.execute(statement.place).first else { return nil }
                let place = try LastMessageSQL.Place(row)
                var rows: [StoredMessage] = []
                // Not prepared: planned for its values, it concerns one partition.
                for row in try session.execute(statement.rows(place), prepared: false) {
                    rows.append(try StoredMessage(row, place.format))
                }
                return (place, rows)
            }
        } catch {
            throw ServiceError(reading: error)
        }
        // Without rows: removed by retention meanwhile.
        guard let (place, rows) = found, let first = rows.first else { return nil }
        switch first.content {
        case .senml: return try LastMessage(sequence: place.sequence, created: place.created, records: rows)
        case .json(let text):
            return LastMessage(
                sequence: place.sequence, created: place.created, contentType: ContentType.json.mediaType,
                payload: ByteBuffer(string: text))
        case .blob(let contentType, let bytes):
            return LastMessage(
                sequence: place.sequence, created: place.created, contentType: contentType,
                payload: ByteBuffer(bytes: bytes))
        }
    }
}
