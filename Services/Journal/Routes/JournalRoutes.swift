// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// `/journal`
///
/// Who may see what: an administrator of the installation everything; who has `journal:audit` in a domain (its administrators, a custom role, a key) what
/// happened in it; anybody who has logged in what one did oneself.
struct JournalRoutes: Sendable {
    let store: any JournalStore

    func add(to routes: RouteTable) {
        let list = Operation(
            "List who did what", tag: "journal", scope: .handler, parameters: JournalParameters.list,
            responseBody: JournalPageDocument.schema, errors: [422])
        routes.get("/journal", list) { request, context in
            try await page(request, scope: try Self.scope(context)) { _ in }
        }
        routes.get(
            "/journal/user/:id",
            Operation(
                "List what a user did, or tried", tag: "journal", scope: .handler, parameters: JournalParameters.list,
                responseBody: JournalPageDocument.schema, errors: [422])
        ) { request, context in
            let user = try context.identifier("id", of: Entity.User.self)
            let principal = try context.requirePrincipal()
            let isOwn = principal.user == user && principal.credential == .session
            return try await page(request, scope: isOwn ? .actor(user) : try Self.scope(context)) { $0.actor = user }
        }
        routes.get(
            "/:domain/journal/:entity/:id",
            Operation(
                "List what touches an entity of a domain", tag: "journal", scope: .handler,
                parameters: JournalParameters.list, responseBody: JournalPageDocument.schema, errors: [404, 422])
        ) { request, context in
            let domain = try context.identifier("domain", of: Entity.Domain.self)
            let id = try context.identifier("id", of: Entity.self)
            let scope = try Self.scope(context)
            // Another domain's is answered as one that is not there.
            guard scope == .everything || scope == .domain(domain) else { throw Self.unknownDomain }
            guard let kind = EntityKind(rawValue: context.parameters.get("entity") ?? "") else {
                throw ServiceError(.notFound, reason: "unknown-entity-type", "there is no such type of entity")
            }
            return try await page(request, scope: .domain(domain)) { query in
                if kind == .user { query.actor = UserID(high: id.high, low: id.low) } else { query.entityID = id }
            }
        }
        routes.get(
            "/journal/export",
            Operation(
                "Export who did what, oldest first unless `dir` says otherwise, as a stream of any length",
                tag: "journal",
                scope: .handler, parameters: JournalParameters.export,
                responseTypes: JournalExport.Form.allCases.map(\.mediaType), errors: [422])
        ) { request, context in
            let parameters = try QueryParameters(request)
            var query = try JournalQuery(parameters, scope: try Self.scope(context), limit: JournalExport.pageSize)
            if parameters["dir"] == nil { query.direction = .asc }
            return try await JournalExport(
                store: store, query: query, form: try parameters.choice("as") ?? .ndjson,
                withAttributes: try parameters.boolean("with_attributes") ?? false,
                disconnect: context.disconnect
            ).response()
        }
    }

    /// The kinds that paths name, in both dialects.
    private enum EntityKind: String {
        case user, thing, client, channel, group, domain
    }

    /// - Throws: `forbidden` for who may see nothing but what one did oneself.
    private static func scope(_ context: ServiceRequestContext) throws(ServiceError) -> JournalQuery.Scope {
        let principal = try context.requirePrincipal()
        if principal.isPlatformAdmin, principal.credential == .session { return .everything }
        let domain = try principal.requireDomain()
        try principal.require(.journalAudit)
        return .domain(domain)
    }

    private static let unknownDomain = ServiceError(
        .notFound, reason: "unknown-domain", "there is no such domain for who asks")

    private func page(
        _ request: Request, scope: JournalQuery.Scope, narrow: (inout JournalQuery) -> Void
    ) async throws -> Response {
        let parameters = try QueryParameters(request)
        let page = try PageRequest(parameters)
        var query = try JournalQuery(parameters, scope: scope, limit: page.limit)
        switch page.start {
        case .offset(let offset): query.start = .offset(offset)
        case .after(let cursor): query.start = .after(try JournalQuery.Position(cursor: cursor))
        }
        narrow(&query)
        var isByOffset = false
        if case .offset = query.start { isByOffset = true }
        let found = try await store.page(query, counting: isByOffset)
        return try JSONBody.response(
            JournalPageDocument(
                found, of: query, withAttributes: try parameters.boolean("with_attributes") ?? false))
    }
}
