// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit
import Identity

/// Users, in the dialects D1 and D2.
struct UserRoutes: Sendable {
    let accounts: Accounts
    let sessions: Sessions
    let verifier: LocalTokenVerifier
    let allowsSelfRegistration: Bool

    /// D1 {email, password, metadata}, D2 {name, credentials: {identity, secret}, tags, metadata}.
    private struct Registration: Decodable, Sendable {
        struct Pair: Decodable, Sendable {
            var identity: String?
            var username: String?
            var secret: String
        }

        var name: String?
        var email: String?
        var password: String?
        var credentials: Pair?
        var tags: [String]?
        var metadata: JSONValue?

        func draft() throws(ServiceError) -> Accounts.Draft {
            if let credentials {
                guard let identity = credentials.identity ?? credentials.username else {
                    throw ServiceError(.malformed, reason: "missing-field", "'credentials.identity' is missing")
                }
                return draft(identity, credentials.secret)
            }
            guard let email, let password else {
                throw ServiceError(
                    .malformed, reason: "missing-field",
                    "'credentials' {identity, secret}, or 'email' and 'password', are missing")
            }
            return draft(try Credentials.checkedEmail(email), password)
        }

        private func draft(_ identity: String, _ secret: String) -> Accounts.Draft {
            Accounts.Draft(
                name: name ?? "", identity: identity, secret: secret, tags: tags ?? [],
                metadata: metadata ?? .object([:]))
        }
    }

    private struct Update: Decodable, Sendable {
        var name: String?
        var tags: [String]?
        var metadata: JSONValue?
    }

    private struct Tags: Decodable, Sendable {
        var tags: [String]
    }

    private static let updateSchema: JSONValue = .objectSchema([
        "name": .stringSchema, "tags": .arraySchema(of: .stringSchema), "metadata": .anyObjectSchema,
    ])

    func add(to routes: RouteTable) {
        addRegistration(to: routes)
        addReading(to: routes)
        addChanges(to: routes)
    }

    private func addRegistration(to routes: RouteTable) {
        routes.post(
            "/users",
            Operation(
                "Register a user: anybody where that is allowed, otherwise an administrator", tag: "users",
                access: .custom,
                requestBody: .objectSchema([
                    "name": .stringSchema, "email": .stringSchema, "password": .stringSchema,
                    "credentials": .objectSchema(
                        ["identity": .stringSchema, "secret": .stringSchema], required: ["identity", "secret"]),
                    "tags": .arraySchema(of: .stringSchema), "metadata": .anyObjectSchema,
                ]), responseBody: UserRepresentation.schema, successStatus: 201, errors: [409])
        ) { request, context in
            let actor = try await registrar(request)
            let draft = try await JSONBody.decode(Registration.self, from: request).draft()
            let user = try await accounts.register(draft, actor: actor)
            return try JSONBody.created(UserRepresentation(user), location: "/users/\(user.id)")
        }
    }

    /// Who registers: nil for anybody.
    private func registrar(_ request: Request) async throws -> UserID? {
        if allowsSelfRegistration, request.headers[.authorization] == nil { return nil }
        let principal = try await verifier.verify(BearerToken.require(request))
        try principal.requireSession()
        if !allowsSelfRegistration { try Accounts.requirePlatformAdmin(principal) }
        return principal.user
    }

    private func addReading(to routes: RouteTable) {
        for path in ["/users", "/users/search"] {
            routes.get(
                path,
                Operation(
                    "List users (administrators)", tag: "users", scope: .session,
                    parameters: QueryParameter.paging + QueryParameter.filters + Self.listParameters,
                    responseBody: pageSchema("users", of: UserRepresentation.schema))
            ) { request, context in
                let query = try QueryParameters(request)
                let page = try PageRequest(query)
                let users = try await accounts.list(Self.filter(query), page: page, as: context.requirePrincipal())
                return try JSONBody.response(PageRepresentation(users, page, "users", UserRepresentation.init))
            }
        }
        routes.get(
            "/users/profile",
            Operation("Who I am", tag: "users", scope: .handler, responseBody: UserRepresentation.schema)
        ) { _, context in
            let principal = try context.requirePrincipal()
            return try await JSONBody.response(UserRepresentation(accounts.user(principal.user, as: principal)))
        }
        routes.get(
            "/users/:id",
            Operation(
                "A user: oneself, or any for administrators", tag: "users", scope: .session,
                responseBody: UserRepresentation.schema,
                errors: [404])
        ) { _, context in
            let user = try await accounts.user(context.identifier("id"), as: context.requirePrincipal())
            return try JSONBody.response(UserRepresentation(user))
        }
    }

    private static let listParameters: [QueryParameter] = [
        QueryParameter("identity", "Only those whose identity contains this; also as email or username."),
        QueryParameter(
            "role", "Only administrators of the installation, or only the others.",
            schema: ["type": "string", "enum": ["admin", "user"]]),
    ]

    private enum ListedRole: String, CaseIterable {
        case admin
        case user
    }

    private static func filter(_ query: QueryParameters) throws(ServiceError) -> UserFilter {
        let role = try query.choice("role", of: ListedRole.self)
        return UserFilter(
            entity: try EntityFilter(query), identity: query["identity"] ?? query["email"] ?? query["username"],
            isAdmin: role.map { $0 == .admin })
    }

    private func addChanges(to routes: RouteTable) {
        routes.patch(
            "/users/profile",
            Operation(
                "Change the own name, tags or metadata", tag: "users", scope: .session, requestBody: Self.updateSchema,
                responseBody: UserRepresentation.schema)
        ) { request, context in
            let principal = try context.requirePrincipal()
            return try await update(principal.user, request, principal)
        }
        routes.put(
            "/users",
            Operation(
                "Change the own metadata (Mainflux 0.13)", tag: "users", scope: .session,
                requestBody: Self.updateSchema,
                responseBody: UserRepresentation.schema)
        ) { request, context in
            let principal = try context.requirePrincipal()
            return try await update(principal.user, request, principal)
        }
        routes.patch(
            "/users/:id",
            Operation(
                "Change a user's name, tags or metadata", tag: "users", scope: .session, requestBody: Self.updateSchema,
                responseBody: UserRepresentation.schema, errors: [404])
        ) { request, context in
            try await update(context.identifier("id"), request, context.requirePrincipal())
        }
        routes.patch(
            "/users/:id/tags",
            Operation(
                "Change a user's tags", tag: "users", scope: .session,
                requestBody: .objectSchema(["tags": .arraySchema(of: .stringSchema)], required: ["tags"]),
                responseBody: UserRepresentation.schema, errors: [404])
        ) { request, context in
            let body = try await JSONBody.decode(Tags.self, from: request)
            let user = try await accounts.update(
                context.identifier("id"), UserChanges(tags: body.tags), as: context.requirePrincipal())
            return try JSONBody.response(UserRepresentation(user))
        }
        for (verb, status) in [("enable", User.Status.enabled), ("disable", .disabled)] {
            routes.post(
                "/users/:id/\(verb)",
                Operation(
                    "Switch a user: \(verb) (administrators)", tag: "users", scope: .session,
                    responseBody: UserRepresentation.schema,
                    errors: [404, 422])
            ) { _, context in
                let user = try await accounts.setStatus(
                    context.identifier("id"), status, as: context.requirePrincipal())
                return try JSONBody.response(UserRepresentation(user))
            }
        }
    }

    private func update(_ id: UserID, _ request: Request, _ principal: Principal) async throws -> Response {
        let body = try await JSONBody.decode(Update.self, from: request)
        let changes = UserChanges(name: body.name, tags: body.tags, metadata: body.metadata)
        return try await JSONBody.response(UserRepresentation(accounts.update(id, changes, as: principal)))
    }
}
