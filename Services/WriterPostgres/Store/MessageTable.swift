// SPDX-License-Identifier: Apache-2.0
import Postgres

/// The tables that messages go into, partitioned by day.
enum MessageTable: CaseIterable {
    case senml
    case json
    case blobs

    var name: SQLIdentifier {
        switch self {
        case .senml: "senml"
        case .json: "json"
        case .blobs: "blobs"
        }
    }

    /// Where rows outside the window of partitions go.
    var defaultPartition: SQLIdentifier {
        switch self {
        case .senml: "senml_default"
        case .json: "json_default"
        case .blobs: "blobs_default"
        }
    }

    /// What the table is partitioned by.
    var timeColumn: SQLIdentifier {
        switch self {
        case .senml: "time"
        case .json, .blobs: "created"
        }
    }

    var copyStatement: SQL {
        switch self {
        case .senml:
            """
            COPY senml (time, sequence, record, channel, domain, publisher, subtopic, protocol, name, unit, value, string_value,
                bool_value, data_value, sum, update_time) FROM STDIN (FORMAT binary)
            """
        case .json:
            """
            COPY json (created, sequence, channel, domain, publisher, subtopic, protocol, payload)
                FROM STDIN (FORMAT binary)
            """
        case .blobs:
            """
            COPY blobs (created, sequence, channel, domain, publisher, subtopic, protocol, content_type, payload)
                FROM STDIN (FORMAT binary)
            """
        }
    }

    var columnCount: Int16 {
        switch self {
        case .senml: 16
        case .json: 8
        case .blobs: 9
        }
    }
}
