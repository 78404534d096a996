// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import Postgres
import ServiceKit

/// Answers which domain has a route, for paths and topics that name a domain by it.
struct DomainResponder: Service, CustomStringConvertible {
    let bus: any Bus
    let store: UsersStore
    let logger: Logger

    var description: String { "domain routes" }

    func run() async throws {
        await cancelWhenGracefulShutdown { await serve() }
    }

    /// Serves, and begins again when the bus was away, until the service ends.
    private func serve() async {
        var backOff = BackOff()
        while !Task.isCancelled {
            do {
                try await bus.serve(Subjects.lookUpDomain, queueGroup: "users", logger: logger) {
                    (request: DomainLookupRequest, _) async throws -> DomainLookupResponse in
                    DomainLookupResponse(domain: try await domain(route: request.route))
                }
                return
            } catch {
                logger.warning("cannot answer for routes of domains yet", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
    }

    /// In whatever state the domain is: what its things may do is not a matter of its name.
    private func domain(route: String) async throws -> DomainID? {
        try await store.pool.execute("SELECT id FROM domains WHERE route = \(route)").first
            .map { row throws(PostgresError) in try row.decode(DomainID.self, at: 0) }
    }
}
