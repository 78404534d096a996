// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore
import Postgres

/// A filter as conditions on the table that it is about.
struct FilterSQL {
    let filter: MessageFilter

    var table: SQL {
        switch filter.format {
        case .messages: "senml"
        case .json: "json"
        case .blobs: "blobs"
        }
    }

    /// What the table is partitioned and sorted by.
    var time: SQL {
        switch filter.format {
        case .messages: "time"
        case .json, .blobs: "created"
        }
    }

    /// All of them, joined by AND.
    var conditions: SQL { .joined([selection] + times, separator: " AND ") }

    /// Without those on time.
    var selection: SQL {
        var conditions: [SQL] = ["channel = \(filter.channel)"]
        if let subtopic = filter.subtopic { conditions.append("subtopic = \(subtopic)") }
        if let publisher = filter.publisher { conditions.append("publisher = \(publisher)") }
        if let transport = filter.transport { conditions.append("protocol = \(transport)") }
        if let sequence = filter.sequence { conditions.append("sequence = \(sequence)") }
        if filter.format == .messages { conditions += recordConditions }
        return .joined(conditions, separator: " AND ")
    }

    private var times: [SQL] {
        var conditions: [SQL] = []
        if let from = filter.from { conditions.append("\(time) >= \(from)") }
        if let to = filter.to { conditions.append("\(time) < \(to)") }
        return conditions
    }

    private var recordConditions: [SQL] {
        var conditions: [SQL] = []
        // As the index on names compares: by bytes.
        if let name = filter.name { conditions.append("name = \(name) COLLATE \"C\"") }
        if let value = filter.value {
            switch filter.comparator {
            case .equal: conditions.append("value = \(value)")
            case .less: conditions.append("value < \(value)")
            case .lessOrEqual: conditions.append("value <= \(value)")
            case .greater: conditions.append("value > \(value)")
            case .greaterOrEqual: conditions.append("value >= \(value)")
            }
        }
        if let text = filter.stringValue { conditions.append("string_value = \(text)") }
        if let flag = filter.boolValue { conditions.append("bool_value = \(flag)") }
        if let data = filter.dataValue { conditions.append("data_value = \(ByteBuffer(bytes: data))") }
        return conditions
    }
}
