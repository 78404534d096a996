// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit
import Identity
import Observability

/// Groups of a domain's members (groups of things are at `/groups`, and those of `things`).
struct UserGroupRoutes: Sendable {
    let groups: UserGroups

    private struct Body: Decodable, Sendable {
        var name: String?
        var metadata: JSONValue?
    }

    /// A built-in role and custom ones; what is absent is none.
    private struct RolesBody: Decodable, Sendable {
        var role: Role?
        var role_ids: [RoleID]?
    }

    private struct Document: Encodable {
        var id: GroupID
        var domain_id: DomainID
        var name: String
        var metadata: JSONValue
        var role: String
        var role_ids: [RoleID]
        var created_by: UserID
        var created_at: String
        var updated_at: String

        init(_ group: UserGroup) {
            id = group.id
            domain_id = group.domain
            name = group.name
            metadata = group.metadata
            role = group.role.rawValue
            role_ids = group.roles
            created_by = group.createdBy
            created_at = Timestamp.rfc3339(group.createdAt)
            updated_at = Timestamp.rfc3339(group.updatedAt)
        }
    }

    private static let roleSchema: JSONValue = ["type": "string", "enum": ["none", "viewer", "editor", "admin"]]
    private static let bodySchema: JSONValue = .objectSchema(["name": .stringSchema, "metadata": .anyObjectSchema])
    private static let schema: JSONValue = .objectSchema(
        [
            "id": .uuidSchema, "domain_id": .uuidSchema, "name": .stringSchema, "metadata": .anyObjectSchema,
            "role": roleSchema, "role_ids": .arraySchema(of: .uuidSchema), "created_by": .uuidSchema,
            "created_at": ["type": "string", "format": "date-time"],
            "updated_at": ["type": "string", "format": "date-time"],
        ], required: ["id", "domain_id", "name", "role", "role_ids"])

    func add(to routes: RouteTable) {
        addGroups(to: routes)
        addGroup(to: routes)
        addMembers(to: routes)
    }

    private func addGroups(to routes: RouteTable) {
        routes.post(
            "/domains/:id/groups",
            Operation(
                "Make a group of users", tag: "groups of users", scope: .handler,
                requestBody: .objectSchema(
                    ["name": .stringSchema, "metadata": .anyObjectSchema], required: ["name"]),
                responseBody: Self.schema, successStatus: 201, errors: [404, 409, 422])
        ) { request, context in
            let body = try await JSONBody.decode(Body.self, from: request)
            guard let name = body.name else {
                throw ServiceError(.malformed, reason: "missing-field", "'name' is missing")
            }
            let group = try await groups.create(
                name, metadata: body.metadata ?? .object([:]), in: context.identifier("id"),
                as: context.requirePrincipal())
            return try JSONBody.created(Document(group), location: "/domains/\(group.domain)/groups/\(group.id)")
        }
        routes.get(
            "/domains/:id/groups",
            Operation(
                "List the domain's groups of users", tag: "groups of users", scope: .handler,
                parameters: QueryParameter.paging
                    + QueryParameter.filters.filter { $0.name == "name" || $0.name == "metadata" },
                responseBody: pageSchema("groups", of: Self.schema), errors: [404])
        ) { request, context in
            let query = try QueryParameters(request)
            let page = try PageRequest(query)
            let list = try await groups.list(
                in: context.identifier("id"), EntityFilter(query), page: page, as: context.requirePrincipal())
            return try JSONBody.response(PageRepresentation(list, page, "groups", Document.init))
        }
    }

    private func addGroup(to routes: RouteTable) {
        routes.get(
            "/domains/:id/groups/:group",
            Operation(
                "A group of users", tag: "groups of users", scope: .handler, responseBody: Self.schema, errors: [404])
        ) { _, context in
            let group = try await groups.group(
                context.identifier("group"), in: context.identifier("id"), as: context.requirePrincipal())
            return try JSONBody.response(Document(group))
        }
        routes.patch(
            "/domains/:id/groups/:group",
            Operation(
                "Change a group's name or metadata", tag: "groups of users", scope: .handler,
                requestBody: Self.bodySchema, responseBody: Self.schema, errors: [404, 409])
        ) { request, context in
            let body = try await JSONBody.decode(Body.self, from: request)
            let group = try await groups.update(
                context.identifier("group"), UserGroups.Changes(name: body.name, metadata: body.metadata),
                in: context.identifier("id"), as: context.requirePrincipal())
            return try JSONBody.response(Document(group))
        }
        routes.delete(
            "/domains/:id/groups/:group",
            Operation(
                "Remove a group of users", tag: "groups of users", scope: .handler, successStatus: 204, errors: [404])
        ) { _, context in
            try await groups.remove(
                context.identifier("group"), in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .noContent)
        }
        routes.put(
            "/domains/:id/groups/:group/roles",
            Operation(
                "Set the roles that the group's members have by it", tag: "groups of users", scope: .handler,
                requestBody: .objectSchema(["role": Self.roleSchema, "role_ids": .arraySchema(of: .uuidSchema)]),
                responseBody: Self.schema, errors: [404])
        ) { request, context in
            let body = try await JSONBody.decode(RolesBody.self, from: request)
            let group = try await groups.setRoles(
                context.identifier("group"), role: body.role ?? .none, roles: body.role_ids ?? [],
                in: context.identifier("id"), as: context.requirePrincipal())
            return try JSONBody.response(Document(group))
        }
    }

    private func addMembers(to routes: RouteTable) {
        routes.get(
            "/domains/:id/groups/:group/users",
            Operation(
                "List a group's members", tag: "groups of users", scope: .handler, parameters: QueryParameter.paging,
                responseBody: pageSchema("users", of: MemberRepresentation.schema), errors: [404])
        ) { request, context in
            let page = try PageRequest(QueryParameters(request))
            let list = try await groups.members(
                of: context.identifier("group"), in: context.identifier("id"), page: page,
                as: context.requirePrincipal())
            return try JSONBody.response(PageRepresentation(list, page, "users", MemberRepresentation.init))
        }
        routes.post(
            "/domains/:id/groups/:group/users/assign",
            Operation(
                "Put members of the domain into a group", tag: "groups of users", scope: .handler,
                requestBody: UserListBody.schema, successStatus: 204, errors: [404, 422])
        ) { request, context in
            let users = try await JSONBody.decode(UserListBody.self, from: request).users()
            try await groups.add(
                users, to: context.identifier("group"), in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .noContent)
        }
        routes.post(
            "/domains/:id/groups/:group/users/unassign",
            Operation(
                "Take users out of a group", tag: "groups of users", scope: .handler, requestBody: UserListBody.schema,
                successStatus: 204, errors: [404])
        ) { request, context in
            let users = try await JSONBody.decode(UserListBody.self, from: request).users()
            try await groups.take(
                users, from: context.identifier("group"), in: context.identifier("id"), as: context.requirePrincipal()
            )
            return Response(status: .noContent)
        }
    }
}
