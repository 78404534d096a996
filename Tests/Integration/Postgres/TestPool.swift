// SPDX-License-Identifier: Apache-2.0
import Logging
import Postgres
import TestKit

/// A pool on a fresh database of the shared cluster, closed behind `body`.
func withPool<Result>(
    schema: SQLIdentifier? = nil, _ change: (inout PostgresConfiguration) -> Void = { _ in },
    _ body: (PostgresPool) async throws -> Result
) async throws -> Result {
    let url = try await PostgresCluster.shared().createDatabase()
    return try await withPool(url: url, schema: schema, change, body)
}

func withPool<Result>(
    url: String, schema: SQLIdentifier? = nil, _ change: (inout PostgresConfiguration) -> Void = { _ in },
    _ body: (PostgresPool) async throws -> Result
) async throws -> Result {
    var configuration = PostgresConfiguration(url: url, schema: schema, acquireTimeout: .seconds(30))
    change(&configuration)
    let pool = PostgresPool(configuration: configuration, logger: quiet)
    defer { pool.close() }
    return try await body(pool)
}

/// Outages are what these tests are about: their warnings would only hide the results.
let quiet = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }

struct TimedOut: Error {}

/// Waits for a condition, generously: a test fails by it only when the condition never comes true.
func eventually(_ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while ContinuousClock.now < deadline {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(5))
    }
    throw TimedOut()
}
