// SPDX-License-Identifier: Apache-2.0
import ServiceKit

/// The settings of `things`.
enum ThingsKeys {
    static let httpPort = StandardKeys.httpPort(default: 8182)
    static let maximumConnections = ConfigurationKey<Int>(
        "database.connections", default: 8, range: 1...64,
        help: "Connections to PostgreSQL at most; adapters' questions and the API share them.")

    static let all: [any ConfigurationDeclaration] = [
        httpPort, StandardKeys.busSocket, StandardKeys.databaseURL, maximumConnections,
    ]
}
