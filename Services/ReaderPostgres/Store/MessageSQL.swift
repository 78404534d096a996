// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore
import Postgres

/// The statements of one query.
struct MessageSQL {
    let query: MessageQuery

    /// One more than asked for, to know whether more follow.
    var page: SQL {
        switch query.start {
        case .offset(let offset):
            "SELECT \(columns) FROM \(table) WHERE \(filter) \(order) LIMIT \(query.limit + 1) OFFSET \(offset)"
        case .after(let position):
            "SELECT \(columns) FROM \(table) WHERE \(filter) AND \(behind(position)) \(order) LIMIT \(query.limit + 1)"
        }
    }

    /// How many match, up to ``MessageListing/maximumTotal``: a channel that holds a hundred times more costs no more.
    var count: SQL {
        "SELECT count(*) FROM (SELECT 1 FROM \(table) WHERE \(filter) LIMIT \(MessageListing.maximumTotal)) AS counted"
    }

    private var table: SQL {
        switch query.format {
        case .messages: "senml"
        case .json: "json"
        case .blobs: "blobs"
        }
    }

    private var columns: SQL {
        switch query.format {
        case .messages:
            """
            time, sequence, record, subtopic, publisher, protocol, name, unit, value, string_value, bool_value, data_value,
            sum, update_time
            """
        case .json: "created, sequence, 0, subtopic, publisher, protocol, payload"
        case .blobs: "created, sequence, 0, subtopic, publisher, protocol, content_type, payload"
        }
    }

    private var time: SQL {
        switch query.format {
        case .messages: "time"
        case .json, .blobs: "created"
        }
    }

    private var filter: SQL {
        var conditions: [SQL] = ["channel = \(query.channel)"]
        if let subtopic = query.subtopic { conditions.append("subtopic = \(subtopic)") }
        if let publisher = query.publisher { conditions.append("publisher = \(publisher)") }
        if let transport = query.transport { conditions.append("protocol = \(transport)") }
        if let from = query.from { conditions.append("\(time) >= \(from)") }
        if let to = query.to { conditions.append("\(time) < \(to)") }
        if query.format == .messages { conditions += recordConditions }
        return .joined(conditions, separator: " AND ")
    }

    private var recordConditions: [SQL] {
        var conditions: [SQL] = []
        // As the index on names compares: by bytes.
        if let name = query.name { conditions.append("name = \(name) COLLATE \"C\"") }
        if let value = query.value {
            switch query.comparator {
            case .equal: conditions.append("value = \(value)")
            case .less: conditions.append("value < \(value)")
            case .lessOrEqual: conditions.append("value <= \(value)")
            case .greater: conditions.append("value > \(value)")
            case .greaterOrEqual: conditions.append("value >= \(value)")
            }
        }
        if let text = query.stringValue { conditions.append("string_value = \(text)") }
        if let flag = query.boolValue { conditions.append("bool_value = \(flag)") }
        if let data = query.dataValue { conditions.append("data_value = \(ByteBuffer(bytes: data))") }
        return conditions
    }

    private var order: SQL {
        switch (query.format, query.direction) {
        case (.messages, .descending): "ORDER BY time DESC, sequence DESC, record DESC"
        case (.messages, .ascending): "ORDER BY time, sequence, record"
        case (.json, .descending), (.blobs, .descending): "ORDER BY created DESC, sequence DESC"
        case (.json, .ascending), (.blobs, .ascending): "ORDER BY created, sequence"
        }
    }

    /// The bound on time says nothing new; by it the server leaves out whole partitions.
    private func behind(_ position: MessageQuery.Position) -> SQL {
        switch (query.format, query.direction) {
        case (.messages, .descending):
            """
            time <= \(position.time)
            AND (time, sequence, record) < (\(position.time), \(position.sequence), \(position.record))
            """
        case (.messages, .ascending):
            """
            time >= \(position.time)
            AND (time, sequence, record) > (\(position.time), \(position.sequence), \(position.record))
            """
        case (.json, .descending), (.blobs, .descending):
            "created <= \(position.time) AND (created, sequence) < (\(position.time), \(position.sequence))"
        case (.json, .ascending), (.blobs, .ascending):
            "created >= \(position.time) AND (created, sequence) > (\(position.time), \(position.sequence))"
        }
    }
}
