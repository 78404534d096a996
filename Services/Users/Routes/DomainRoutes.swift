// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase
import Core
import HTTPKit
import Identity

/// Domains and their members (dialect D2 of Magistrala v0.14).
struct DomainRoutes: Sendable {
    let domains: Domains

    /// `alias` is v0.14's word for `route`.
    private struct Body: Decodable, Sendable {
        var name: String?
        var route: String?
        var alias: String?
        var tags: [String]?
        var metadata: JSONValue?
    }

    private struct Assignment: Decodable, Sendable {
        var user_ids: [UserID]
        var role: String?
        var relation: String?

        /// v0.14 says `relation`: administrator, editor, viewer, member.
        func parsedRole() throws(ServiceError) -> Role {
            switch role ?? relation {
            case "admin"?, "administrator"?: return .admin
            case "editor"?: return .editor
            case "viewer"?, "member"?: return .viewer
            default:
                throw ServiceError(.malformed, reason: "invalid-value", "'role' must be one of admin, editor, viewer")
            }
        }
    }

    private static let bodySchema: JSONValue = .objectSchema([
        "name": .stringSchema, "route": .stringSchema, "tags": .arraySchema(of: .stringSchema),
        "metadata": .anyObjectSchema,
    ])

    func add(to routes: RouteTable) {
        addDomains(to: routes)
        addStatus(to: routes)
        addMembers(to: routes)
    }

    private func addDomains(to routes: RouteTable) {
        routes.post(
            "/domains",
            Operation(
                "Create a domain; its creator is its administrator", tag: "domains", requestBody: Self.bodySchema,
                responseBody: DomainRepresentation.schema, successStatus: 201, errors: [409])
        ) { request, context in
            let body = try await JSONBody.decode(Body.self, from: request)
            guard let name = body.name else {
                throw ServiceError(.malformed, reason: "missing-field", "'name' is missing")
            }
            let draft = Domains.Draft(
                name: name, route: body.route ?? body.alias, tags: body.tags ?? [],
                metadata: body.metadata ?? .object([:]))
            let domain = try await domains.create(draft, as: context.requirePrincipal())
            return try JSONBody.created(DomainRepresentation(domain), location: "/domains/\(domain.id)")
        }
        routes.get(
            "/domains",
            Operation(
                "List the domains one is a member of", tag: "domains",
                parameters: QueryParameter.paging + QueryParameter.filters,
                responseBody: pageSchema("domains", of: DomainRepresentation.schema))
        ) { request, context in
            let query = try QueryParameters(request)
            let page = try PageRequest(query)
            let list = try await domains.list(EntityFilter(query), page: page, as: context.requirePrincipal())
            return try JSONBody.response(DomainPage(list, page))
        }
        routes.get(
            "/domains/:id",
            Operation("A domain", tag: "domains", responseBody: DomainRepresentation.schema, errors: [404])
        ) { _, context in
            let domain = try await domains.domain(context.identifier("id"), as: context.requirePrincipal())
            return try JSONBody.response(DomainRepresentation(domain))
        }
        routes.patch(
            "/domains/:id",
            Operation(
                "Change a domain (its administrators)", tag: "domains", requestBody: Self.bodySchema,
                responseBody: DomainRepresentation.schema, errors: [404, 409])
        ) { request, context in
            let body = try await JSONBody.decode(Body.self, from: request)
            let changes = TenantChanges(
                name: body.name, route: body.route ?? body.alias, tags: body.tags, metadata: body.metadata)
            let domain = try await domains.update(context.identifier("id"), changes, as: context.requirePrincipal())
            return try JSONBody.response(DomainRepresentation(domain))
        }
    }

    private func addStatus(to routes: RouteTable) {
        let transitions: [(String, Tenant.Status)] = [
            ("enable", .enabled), ("disable", .disabled), ("freeze", .frozen),
        ]
        for (verb, status) in transitions {
            routes.post(
                "/domains/:id/\(verb)",
                Operation(
                    "Switch a domain: \(verb)", tag: "domains", responseBody: DomainRepresentation.schema,
                    errors: [404])
            ) { _, context in
                let domain = try await domains.setStatus(
                    context.identifier("id"), status, as: context.requirePrincipal())
                return try JSONBody.response(DomainRepresentation(domain))
            }
        }
    }

    private func addMembers(to routes: RouteTable) {
        routes.post(
            "/domains/:id/users/assign",
            Operation(
                "Give users a role in the domain", tag: "domains",
                requestBody: .objectSchema(
                    [
                        "user_ids": .arraySchema(of: .uuidSchema),
                        "role": ["type": "string", "enum": ["admin", "editor", "viewer"]],
                    ], required: ["user_ids", "role"]), successStatus: 201, errors: [404, 422])
        ) { request, context in
            let body = try await JSONBody.decode(Assignment.self, from: request)
            try await domains.assign(
                body.user_ids, role: body.parsedRole(), in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .created)
        }
        routes.post(
            "/domains/:id/users/unassign",
            Operation(
                "Take users out of the domain", tag: "domains",
                requestBody: .objectSchema(["user_ids": .arraySchema(of: .uuidSchema)], required: ["user_ids"]),
                successStatus: 204, errors: [404])
        ) { request, context in
            let body = try await JSONBody.decode(Assignment.self, from: request)
            try await domains.unassign(body.user_ids, in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .noContent)
        }
    }
}
