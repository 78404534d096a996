// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit
import Identity
import Observability

/// Personal access tokens: keys with named actions, on all entities or on some (`/pats`, as Magistrala has them).
struct PersonalTokenRoutes: Sendable {
    let keys: APIKeys

    struct ScopeBody: Codable, Sendable {
        var action: Action
        /// Absent: all.
        var entity_ids: [String]?
    }

    private struct Body: Decodable, Sendable {
        var name: String
        var description: String?
        var duration: KeyDuration?
        var domain_id: DomainID?
        var scopes: [ScopeBody]?
    }

    private struct Name: Decodable, Sendable {
        var name: String
    }

    private struct Description: Decodable, Sendable {
        var description: String
    }

    private struct Lifetime: Decodable, Sendable {
        var duration: KeyDuration?
    }

    private struct Scopes: Codable, Sendable {
        var scopes: [ScopeBody]
    }

    private struct Document: Encodable {
        var id: KeyID
        var user_id: UserID
        var domain_id: DomainID
        var name: String
        var description: String
        /// Only in the answer to what made it.
        var secret: String?
        var hint: String
        var scopes: [ScopeBody]
        var issued_at: String
        var updated_at: String
        var expires_at: String?
        var last_used_at: String?
        var revoked: Bool
        var revoked_at: String?

        init(_ key: APIKey, secret: String? = nil) {
            id = key.id
            user_id = key.user
            domain_id = key.domain
            name = key.name
            description = key.note
            self.secret = secret
            hint = key.hint
            scopes = PersonalTokenRoutes.bodies(key.scopes)
            issued_at = Timestamp.rfc3339(key.createdAt)
            updated_at = Timestamp.rfc3339(key.updatedAt)
            expires_at = key.expiresAt.map(Timestamp.rfc3339)
            last_used_at = key.lastUsedAt.map(Timestamp.rfc3339)
            revoked = key.revokedAt != nil
            revoked_at = key.revokedAt.map(Timestamp.rfc3339)
        }
    }

    private static func bodies(_ grants: Grants?) -> [ScopeBody] {
        (grants?.scopes ?? [:]).sorted { $0.key < $1.key }.map {
            ScopeBody(action: $0.key, entity_ids: $0.value.contains(Grants.everything) ? nil : $0.value.sorted())
        }
    }

    private static func scopes(_ bodies: [ScopeBody]) -> [Action: Set<String>] {
        var scopes: [Action: Set<String>] = [:]
        for body in bodies {
            scopes[body.action, default: []].formUnion(body.entity_ids?.map { $0.lowercased() } ?? [Grants.everything])
        }
        return scopes
    }

    private static let scopesSchema: JSONValue = .arraySchema(
        of: .objectSchema(
            ["action": .stringSchema, "entity_ids": .arraySchema(of: .uuidSchema)], required: ["action"]))
    private static let time: JSONValue = ["type": "string", "format": "date-time"]
    private static let schema: JSONValue = .objectSchema(
        [
            "id": .uuidSchema, "user_id": .uuidSchema, "domain_id": .uuidSchema, "name": .stringSchema,
            "description": .stringSchema, "secret": .stringSchema, "hint": .stringSchema, "scopes": scopesSchema,
            "issued_at": time, "updated_at": time, "expires_at": time, "last_used_at": time,
            "revoked": ["type": "boolean"], "revoked_at": time,
        ], required: ["id", "user_id", "domain_id", "name", "scopes", "issued_at", "revoked"])

    func add(to routes: RouteTable) {
        addTokens(to: routes)
        addNames(to: routes)
        addSecret(to: routes)
        addScopes(to: routes)
    }

    private func addTokens(to routes: RouteTable) {
        routes.post(
            "/pats",
            Operation(
                "Make a personal access token; its secret is shown this once", tag: "keys", scope: .session,
                requestBody: .objectSchema(
                    [
                        "name": .stringSchema, "description": .stringSchema, "duration": KeyDuration.schema,
                        "domain_id": .uuidSchema, "scopes": Self.scopesSchema,
                    ], required: ["name"]), responseBody: Self.schema, successStatus: 201, errors: [404, 422])
        ) { request, context in
            let body = try await JSONBody.decode(Body.self, from: request)
            let issued = try await keys.create(
                APIKeys.Draft(
                    kind: .personal, name: body.name, note: body.description ?? "", domain: body.domain_id,
                    scopes: Grants(scopes: Self.scopes(body.scopes ?? [])), lifetimeSeconds: body.duration?.seconds),
                as: context.requirePrincipal())
            return try JSONBody.created(
                Document(issued.key, secret: issued.secret), location: "/pats/\(issued.key.id)")
        }
        routes.get(
            "/pats",
            Operation(
                "List one's personal access tokens", tag: "keys", scope: .session, parameters: QueryParameter.paging,
                responseBody: pageSchema("pats", of: Self.schema))
        ) { request, context in
            let page = try PageRequest(QueryParameters(request))
            let list = try await keys.list(.personal, page: page, as: context.requirePrincipal())
            return try JSONBody.response(PageRepresentation(list, page, "pats") { Document($0) })
        }
        routes.delete(
            "/pats",
            Operation("Revoke all of one's personal access tokens", tag: "keys", scope: .session, successStatus: 204)
        ) { _, context in
            try await keys.removeAll(.personal, as: context.requirePrincipal())
            return Response(status: .noContent)
        }
        routes.get(
            "/pats/:id",
            Operation("A personal access token", tag: "keys", scope: .session, responseBody: Self.schema, errors: [404])
        ) { _, context in
            let key = try await keys.key(context.identifier("id"), .personal, as: context.requirePrincipal())
            return try JSONBody.response(Document(key))
        }
        routes.delete(
            "/pats/:id",
            Operation("Remove a personal access token", tag: "keys", scope: .session, successStatus: 204, errors: [404])
        ) { _, context in
            try await keys.remove(context.identifier("id"), .personal, as: context.requirePrincipal())
            return Response(status: .noContent)
        }
    }

    private func addNames(to routes: RouteTable) {
        routes.patch(
            "/pats/:id/name",
            Operation(
                "Rename a personal access token", tag: "keys", scope: .session,
                requestBody: .objectSchema(["name": .stringSchema], required: ["name"]), responseBody: Self.schema,
                errors: [404])
        ) { request, context in
            let body = try await JSONBody.decode(Name.self, from: request)
            return try await JSONBody.response(
                Document(
                    keys.rename(
                        context.identifier("id"), .personal, name: body.name, as: context.requirePrincipal())))
        }
        routes.patch(
            "/pats/:id/description",
            Operation(
                "Describe a personal access token", tag: "keys", scope: .session,
                requestBody: .objectSchema(["description": .stringSchema], required: ["description"]),
                responseBody: Self.schema, errors: [404])
        ) { request, context in
            let body = try await JSONBody.decode(Description.self, from: request)
            return try await JSONBody.response(
                Document(
                    keys.rename(
                        context.identifier("id"), .personal, note: body.description, as: context.requirePrincipal())))
        }
    }

    private func addSecret(to routes: RouteTable) {
        routes.patch(
            "/pats/:id/secret/reset",
            Operation(
                "Make a new secret, which is shown this once; the old one ends", tag: "keys", scope: .session,
                requestBody: .objectSchema(["duration": KeyDuration.schema]), responseBody: Self.schema, errors: [404])
        ) { request, context in
            let body = try await JSONBody.decodeIfPresent(Lifetime.self, from: request)
            let issued = try await keys.resetSecret(
                context.identifier("id"), .personal, lifetimeSeconds: body?.duration?.seconds,
                as: context.requirePrincipal())
            return try JSONBody.response(Document(issued.key, secret: issued.secret))
        }
        routes.patch(
            "/pats/:id/secret/revoke",
            Operation(
                "Make a personal access token good for nothing", tag: "keys", scope: .session,
                responseBody: Self.schema, errors: [404])
        ) { _, context in
            try await JSONBody.response(
                Document(keys.revoke(context.identifier("id"), .personal, as: context.requirePrincipal())))
        }
    }

    private func addScopes(to routes: RouteTable) {
        let schema: JSONValue = .objectSchema(["scopes": Self.scopesSchema], required: ["scopes"])
        routes.get(
            "/pats/:id/scope",
            Operation("What a token is good for", tag: "keys", scope: .session, responseBody: schema, errors: [404])
        ) { _, context in
            let key = try await keys.key(context.identifier("id"), .personal, as: context.requirePrincipal())
            return try JSONBody.response(Scopes(scopes: Self.bodies(key.scopes)))
        }
        routes.patch(
            "/pats/:id/scope/add",
            Operation(
                "Let a token do more", tag: "keys", scope: .session, requestBody: schema, responseBody: Self.schema,
                errors: [404])
        ) { request, context in
            let added = Self.scopes(try await JSONBody.decode(Scopes.self, from: request).scopes)
            let key = try await keys.setScopes(
                context.identifier("id"), .personal, as: context.requirePrincipal()
            ) { $0.merging(added) { $0.union($1) } }
            return try JSONBody.response(Document(key))
        }
        routes.patch(
            "/pats/:id/scope/remove",
            Operation(
                "Let a token do less: an action without entity_ids goes as a whole", tag: "keys", scope: .session,
                requestBody: schema, responseBody: Self.schema, errors: [404, 422])
        ) { request, context in
            let removed = Self.scopes(try await JSONBody.decode(Scopes.self, from: request).scopes)
            let key = try await keys.setScopes(
                context.identifier("id"), .personal, as: context.requirePrincipal()
            ) { scopes in
                try scopes.reduce(into: [:]) { left, scope in
                    let entities = removed[scope.key] ?? []
                    let isWhole = entities.isEmpty || entities.contains(Grants.everything)
                    guard isWhole || !scope.value.contains(Grants.everything) else {
                        throw ServiceError(
                            .unprocessable, reason: "scope-is-for-all",
                            "\(scope.key) is granted on all entities: single ones cannot be taken from it")
                    }
                    left[scope.key] = entities.contains(Grants.everything) ? [] : scope.value.subtracting(entities)
                }
            }
            return try JSONBody.response(Document(key))
        }
    }
}
