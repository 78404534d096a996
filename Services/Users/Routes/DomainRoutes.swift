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
        var role_id: RoleID?
        /// v0.14's word.
        var relation: String?

        func parsedRole() throws(ServiceError) -> RoleReference {
            if let role_id { return .custom(role_id) }
            guard let role = (role ?? relation).flatMap(RoleReference.init) else {
                throw ServiceError(
                    .malformed, reason: "invalid-value",
                    "'role' must be one of admin, editor, viewer, or the identifier of a role of the domain")
            }
            return role
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
                "Create a domain; its creator is its administrator", tag: "domains", scope: .session,
                requestBody: Self.bodySchema,
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
                "List the domains one is a member of", tag: "domains", scope: .session,
                parameters: QueryParameter.paging + QueryParameter.filters,
                responseBody: pageSchema("domains", of: DomainRepresentation.schema))
        ) { request, context in
            let query = try QueryParameters(request)
            let page = try PageRequest(query)
            let list = try await domains.list(EntityFilter(query), page: page, as: context.requirePrincipal())
            return try JSONBody.response(PageRepresentation(list, page, "domains", DomainRepresentation.init))
        }
        routes.get(
            "/domains/:id",
            Operation(
                "A domain", tag: "domains", scope: .handler, responseBody: DomainRepresentation.schema, errors: [404])
        ) { _, context in
            let domain = try await domains.domain(context.identifier("id"), as: context.requirePrincipal())
            return try JSONBody.response(DomainRepresentation(domain))
        }
        routes.patch(
            "/domains/:id",
            Operation(
                "Change a domain (its administrators)", tag: "domains", scope: .handler, requestBody: Self.bodySchema,
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
                    "Switch a domain: \(verb)", tag: "domains", scope: .handler,
                    responseBody: DomainRepresentation.schema,
                    errors: [404])
            ) { _, context in
                let domain = try await domains.setStatus(
                    context.identifier("id"), status, as: context.requirePrincipal())
                return try JSONBody.response(DomainRepresentation(domain))
            }
        }
    }

    private static let memberParameters: [QueryParameter] = [
        QueryParameter("name", "Only those whose name or identity contains this, whatever the case."),
        QueryParameter(
            "role", "Only those with this built-in role of their own.",
            schema: ["type": "string", "enum": ["none", "viewer", "editor", "admin"]]),
    ]

    private func addMembers(to routes: RouteTable) {
        routes.get(
            "/domains/:id/users",
            Operation(
                "List the domain's members", tag: "domains", scope: .handler,
                parameters: QueryParameter.paging + Self.memberParameters,
                responseBody: pageSchema("users", of: MemberRepresentation.schema), errors: [404])
        ) { request, context in
            let query = try QueryParameters(request)
            let page = try PageRequest(query)
            let filter = MemberFilter(name: query["name"], role: try query.choice("role"))
            let list = try await domains.members(
                context.identifier("id"), filter, page: page, as: context.requirePrincipal())
            return try JSONBody.response(PageRepresentation(list, page, "users", MemberRepresentation.init))
        }
        routes.post(
            "/domains/:id/users/assign",
            Operation(
                "Give users a role in the domain", tag: "domains", scope: .handler,
                requestBody: .objectSchema(
                    [
                        "user_ids": .arraySchema(of: .uuidSchema),
                        "role": ["type": "string", "description": "admin, editor, viewer, or a role's identifier"],
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
                "Take users out of the domain", tag: "domains", scope: .handler,
                requestBody: UserListBody.schema, successStatus: 204, errors: [404, 422])
        ) { request, context in
            let users = try await JSONBody.decode(UserListBody.self, from: request).users()
            try await domains.unassign(users, in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .noContent)
        }
    }
}
