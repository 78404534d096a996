// SPDX-License-Identifier: Apache-2.0
import ServiceKit

/// The settings of `journal`.
enum JournalKeys {
    static let httpPort = StandardKeys.httpPort(default: 8186)
    static let maximumConnections = ConfigurationKey<Int>(
        "database.connections", default: 6, range: 3...64,
        help: "Connections to PostgreSQL at most: two for what is written, the others for queries.")
    static let retentionDays = ConfigurationKey<Int>(
        "retention.days", default: 0, range: 0...36_500,
        help: "Days that entries are kept, by their own time and that of their recording; 0 keeps them for ever.")

    static let all: [any ConfigurationDeclaration] = [
        httpPort, StandardKeys.busSocket, StandardKeys.databaseURL, maximumConnections, retentionDays,
    ]
}
