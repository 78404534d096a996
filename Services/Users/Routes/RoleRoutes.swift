// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit
import Identity
import Observability

/// A domain's own roles, in Magistrala's form.
struct RoleRoutes: Sendable {
    let roles: Roles

    /// Magistrala says `role_name`, `optional_actions`, `optional_members`.
    private struct Body: Decodable, Sendable {
        var name: String?
        var role_name: String?
        var actions: [Action]?
        var optional_actions: [Action]?
        var members: [UserID]?
        var optional_members: [UserID]?

        func requireName() throws(ServiceError) -> String {
            guard let name = name ?? role_name else {
                throw ServiceError(.malformed, reason: "missing-field", "'name' is missing")
            }
            return name
        }
    }

    private struct Actions: Codable, Sendable {
        var actions: [Action]
    }

    private struct AvailableActions: Encodable {
        struct BuiltIn: Encodable {
            var role: String
            var actions: [Action]
        }

        var available_actions = Action.catalogue.sorted()
        var built_in = [Role.admin, .editor, .viewer].map { BuiltIn(role: $0.rawValue, actions: $0.actions.sorted()) }
    }

    private struct Document: Encodable {
        var id: RoleID
        var name: String
        var entity_id: DomainID
        var actions: [Action]
        var created_by: UserID
        var created_at: String
        var updated_at: String

        init(_ role: CustomRole) {
            id = role.id
            name = role.name
            entity_id = role.domain
            actions = role.actions.sorted()
            created_by = role.createdBy
            created_at = Timestamp.rfc3339(role.createdAt)
            updated_at = Timestamp.rfc3339(role.updatedAt)
        }
    }

    private static let actionsSchema: JSONValue = .arraySchema(
        of: ["type": "string", "enum": .array(Action.catalogue.map { .string($0.rawValue) })])
    private static let actionsBody: JSONValue = .objectSchema(["actions": actionsSchema], required: ["actions"])
    private static let schema: JSONValue = .objectSchema(
        [
            "id": .uuidSchema, "name": .stringSchema, "entity_id": .uuidSchema, "actions": actionsSchema,
            "created_by": .uuidSchema, "created_at": ["type": "string", "format": "date-time"],
            "updated_at": ["type": "string", "format": "date-time"],
        ], required: ["id", "name", "entity_id", "actions"])

    func add(to routes: RouteTable) {
        addRoles(to: routes)
        addRole(to: routes)
        addActions(to: routes)
        addMembers(to: routes)
    }

    private func addRoles(to routes: RouteTable) {
        routes.get(
            "/domains/roles/available-actions",
            Operation(
                "The actions that roles and keys are made of, and which of them the built-in roles have",
                tag: "roles", scope: .handler,
                responseBody: .objectSchema(
                    ["available_actions": Self.actionsSchema, "built_in": .arraySchema(of: .anyObjectSchema)],
                    required: ["available_actions", "built_in"]))
        ) { _, _ in
            try JSONBody.response(AvailableActions())
        }
        routes.post(
            "/domains/:id/roles",
            Operation(
                "Make a role of named actions", tag: "roles", scope: .handler,
                requestBody: .objectSchema(
                    ["name": .stringSchema, "actions": Self.actionsSchema, "members": .arraySchema(of: .uuidSchema)],
                    required: ["name"]), responseBody: Self.schema, successStatus: 201, errors: [404, 409, 422])
        ) { request, context in
            let body = try await JSONBody.decode(Body.self, from: request)
            let role = try await roles.create(
                body.requireName(), actions: Set(body.actions ?? body.optional_actions ?? []),
                members: body.members ?? body.optional_members ?? [], in: context.identifier("id"),
                as: context.requirePrincipal())
            return try JSONBody.created(Document(role), location: "/domains/\(role.domain)/roles/\(role.id)")
        }
        routes.get(
            "/domains/:id/roles",
            Operation(
                "List the domain's own roles", tag: "roles", scope: .handler, parameters: QueryParameter.paging,
                responseBody: pageSchema("roles", of: Self.schema), errors: [404])
        ) { request, context in
            let page = try PageRequest(QueryParameters(request))
            let list = try await roles.list(
                in: context.identifier("id"), page: page, as: context.requirePrincipal())
            return try JSONBody.response(PageRepresentation(list, page, "roles", Document.init))
        }
    }

    private func addRole(to routes: RouteTable) {
        routes.get(
            "/domains/:id/roles/:role",
            Operation("A role", tag: "roles", scope: .handler, responseBody: Self.schema, errors: [404])
        ) { _, context in
            let role = try await roles.role(
                context.identifier("role"), in: context.identifier("id"), as: context.requirePrincipal())
            return try JSONBody.response(Document(role))
        }
        routes.put(
            "/domains/:id/roles/:role",
            Operation(
                "Rename a role", tag: "roles", scope: .handler,
                requestBody: .objectSchema(["name": .stringSchema], required: ["name"]), responseBody: Self.schema,
                errors: [404, 409])
        ) { request, context in
            let body = try await JSONBody.decode(Body.self, from: request)
            let role = try await roles.rename(
                context.identifier("role"), to: body.requireName(), in: context.identifier("id"),
                as: context.requirePrincipal())
            return try JSONBody.response(Document(role))
        }
        routes.delete(
            "/domains/:id/roles/:role",
            Operation("Remove a role", tag: "roles", scope: .handler, successStatus: 204, errors: [404])
        ) { _, context in
            try await roles.remove(
                context.identifier("role"), in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .noContent)
        }
    }

    private func addActions(to routes: RouteTable) {
        routes.get(
            "/domains/:id/roles/:role/actions",
            Operation("A role's actions", tag: "roles", scope: .handler, responseBody: Self.actionsBody, errors: [404])
        ) { _, context in
            let role = try await roles.role(
                context.identifier("role"), in: context.identifier("id"), as: context.requirePrincipal())
            return try JSONBody.response(Actions(actions: role.actions.sorted()))
        }
        routes.post(
            "/domains/:id/roles/:role/actions",
            Operation(
                "Let a role do more", tag: "roles", scope: .handler, requestBody: Self.actionsBody,
                responseBody: Self.actionsBody, errors: [404])
        ) { request, context in
            let added = try await JSONBody.decode(Actions.self, from: request).actions
            return try await revise(context) { $0.union(added) }
        }
        routes.post(
            "/domains/:id/roles/:role/actions/delete",
            Operation(
                "Let a role do less; sessions of those who have it end", tag: "roles", scope: .handler,
                requestBody: Self.actionsBody, responseBody: Self.actionsBody, errors: [404])
        ) { request, context in
            let removed = try await JSONBody.decode(Actions.self, from: request).actions
            return try await revise(context) { $0.subtracting(removed) }
        }
        routes.post(
            "/domains/:id/roles/:role/actions/delete-all",
            Operation(
                "Let a role do nothing; sessions of those who have it end", tag: "roles", scope: .handler,
                responseBody: Self.actionsBody, errors: [404])
        ) { _, context in
            try await revise(context) { _ in [] }
        }
    }

    private func revise(
        _ context: ServiceRequestContext, _ change: @escaping @Sendable (Set<Action>) -> Set<Action>
    ) async throws -> Response {
        let role = try await roles.setActions(
            context.identifier("role"), in: context.identifier("id"), as: context.requirePrincipal(), change: change)
        return try JSONBody.response(Actions(actions: role.actions.sorted()))
    }

    private func addMembers(to routes: RouteTable) {
        routes.get(
            "/domains/:id/roles/:role/members",
            Operation(
                "Who was given a role", tag: "roles", scope: .handler, parameters: QueryParameter.paging,
                responseBody: pageSchema("members", of: MemberRepresentation.schema), errors: [404])
        ) { request, context in
            let page = try PageRequest(QueryParameters(request))
            let list = try await roles.members(
                of: context.identifier("role"), in: context.identifier("id"), page: page,
                as: context.requirePrincipal())
            return try JSONBody.response(PageRepresentation(list, page, "members", MemberRepresentation.init))
        }
        routes.post(
            "/domains/:id/roles/:role/members",
            Operation(
                "Give members of the domain a role", tag: "roles", scope: .handler, requestBody: UserListBody.schema,
                successStatus: 204, errors: [404, 422])
        ) { request, context in
            let users = try await JSONBody.decode(UserListBody.self, from: request).users()
            try await roles.add(
                users, to: context.identifier("role"), in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .noContent)
        }
        routes.post(
            "/domains/:id/roles/:role/members/delete",
            Operation(
                "Take a role from members; their sessions in the domain end", tag: "roles", scope: .handler,
                requestBody: UserListBody.schema, successStatus: 204, errors: [404])
        ) { request, context in
            let users = try await JSONBody.decode(UserListBody.self, from: request).users()
            try await roles.take(
                users, from: context.identifier("role"), in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .noContent)
        }
        routes.post(
            "/domains/:id/roles/:role/members/delete-all",
            Operation(
                "Take a role from everybody; their sessions in the domain end", tag: "roles", scope: .handler,
                successStatus: 204, errors: [404])
        ) { _, context in
            try await roles.take(
                nil, from: context.identifier("role"), in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .noContent)
        }
    }
}
