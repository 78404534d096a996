// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

extension StoredMessage {
    /// The columns of a SenML record, as ``init(_:_:)`` reads them.
    static let recordColumns: SQL = """
        time, sequence, record, subtopic, publisher, protocol, name, unit, value, string_value, bool_value, data_value, sum,
        update_time
        """

    init(_ row: PostgresRow, _ format: MessageFilter.Format) throws(PostgresError) {
        let (time, sequence, record, subtopic, publisher, transport) = try row.decode(
            (Int64, Int64, Int32, String, ThingID, String).self)
        let content: Content
        switch format {
        case .messages:
            content = .senml(
                Record(
                    name: try row.decode(at: 6), unit: try row.decode(at: 7), value: try row.decode(at: 8),
                    stringValue: try row.decode(at: 9), boolValue: try row.decode(at: 10),
                    dataValue: try row.decode([UInt8]?.self, at: 11), sum: try row.decode(at: 12),
                    updateTime: try row.decode(at: 13)))
        case .json: content = .json(try row.decode(at: 6))
        case .blobs: content = .blob(contentType: try row.decode(at: 6), bytes: try row.decode([UInt8].self, at: 7))
        }
        self.init(
            position: MessageQuery.Position(time: time, sequence: sequence, record: record), subtopic: subtopic,
            publisher: publisher, transport: transport, content: content)
    }
}
