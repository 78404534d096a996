// SPDX-License-Identifier: Apache-2.0
import ServiceKit

/// The settings of `reader-postgres`.
enum ReaderPostgresKeys {
    static let httpPort = StandardKeys.httpPort(default: 9204)
    static let maximumConnections = ConfigurationKey<Int>(
        "database.connections", default: 8, range: 1...64,
        help: "Connections to PostgreSQL at most: queries at a time.")
    static let maximumExports = ConfigurationKey<Int>(
        "exports.maximum", default: 8, range: 1...1_000,
        help: "Exports that may run at a time; each holds about 8 MiB.")

    static let all: [any ConfigurationDeclaration] = [
        httpPort, StandardKeys.busSocket, StandardKeys.databaseURL, maximumConnections, maximumExports,
    ]
}
