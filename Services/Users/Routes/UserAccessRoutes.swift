// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit
import Identity

/// What decides who gets in: passwords, identities, locks, administration of the installation.
struct UserAccessRoutes: Sendable {
    let accounts: Accounts

    /// D2 {old_secret, new_secret}, D1 {old_password, password}.
    private struct SecretChange: Decodable, Sendable {
        var old_secret: String?
        var new_secret: String?
        var old_password: String?
        var password: String?
        var revoke_keys: Bool?

        func secrets() throws(ServiceError) -> (old: String, new: String) {
            guard let old = old_secret ?? old_password, let new = new_secret ?? password else {
                throw ServiceError(
                    .malformed, reason: "missing-field",
                    "'old_secret' and 'new_secret' (or 'old_password' and 'password') are needed")
            }
            return (old, new)
        }
    }

    private struct IdentityChange: Decodable, Sendable {
        var identity: String?
        var username: String?
        var email: String?
        var secret: String?
    }

    private struct Removal: Decodable, Sendable {
        var secret: String?
        var password: String?
    }

    private struct RoleChange: Decodable, Sendable {
        enum Role: String, Decodable, Sendable {
            case admin
            case user
        }

        var role: Role
    }

    func add(to routes: RouteTable) {
        addSecret(to: routes)
        addIdentity(to: routes)
        addRemoval(to: routes)
        addAdministration(to: routes)
    }

    private func addSecret(to routes: RouteTable) {
        routes.patch(
            "/users/secret",
            Operation(
                "Change the own password; all other sessions end, and with revoke_keys all keys", tag: "users",
                scope: .session,
                requestBody: .objectSchema(
                    ["old_secret": .stringSchema, "new_secret": .stringSchema, "revoke_keys": ["type": "boolean"]],
                    required: ["old_secret", "new_secret"]),
                responseBody: UserRepresentation.schema, errors: [404])
        ) { request, context in
            try await JSONBody.response(UserRepresentation(changeSecret(request, context)))
        }
        routes.patch(
            "/password",
            Operation(
                "Change the own password (Mainflux 0.13); all other sessions end", tag: "users", scope: .session,
                requestBody: .objectSchema(
                    ["old_password": .stringSchema, "password": .stringSchema, "revoke_keys": ["type": "boolean"]],
                    required: ["old_password", "password"]),
                responseBody: .objectSchema(["msg": .stringSchema], required: ["msg"]), successStatus: 201,
                errors: [404])
        ) { request, context in
            _ = try await changeSecret(request, context)
            return try JSONBody.response(MessageRepresentation(msg: "the password was changed"), status: .created)
        }
    }

    private func changeSecret(_ request: Request, _ context: ServiceRequestContext) async throws -> User {
        let body = try await JSONBody.decode(SecretChange.self, from: request)
        let (old, new) = try body.secrets()
        return try await accounts.changeSecret(
            old: old, new: new, revokingKeys: body.revoke_keys ?? false, address: context.remoteAddress,
            as: context.requirePrincipal())
    }

    private func addIdentity(to routes: RouteTable) {
        for member in ["identity", "username", "email"] {
            routes.patch(
                "/users/:id/\(member)",
                Operation(
                    "Change what a user logs in with; the own needs the password, too", tag: "users", scope: .session,
                    requestBody: .objectSchema([member: .stringSchema, "secret": .stringSchema], required: [member]),
                    responseBody: UserRepresentation.schema, errors: [404, 409])
            ) { request, context in
                let body = try await JSONBody.decode(IdentityChange.self, from: request)
                guard let identity = body.identity ?? body.username ?? body.email else {
                    throw ServiceError(.malformed, reason: "missing-field", "'\(member)' is missing")
                }
                let user = try await accounts.changeIdentity(
                    context.identifier("id"), to: member == "email" ? Credentials.checkedEmail(identity) : identity,
                    secret: body.secret, address: context.remoteAddress, as: context.requirePrincipal())
                return try JSONBody.response(UserRepresentation(user))
            }
        }
    }

    private func addRemoval(to routes: RouteTable) {
        routes.delete(
            "/users/:id",
            Operation(
                "Remove a user for good: oneself with the password, or any without (administrators)", tag: "users",
                scope: .session, requestBody: .objectSchema(["secret": .stringSchema]), successStatus: 204,
                errors: [404, 409])
        ) { request, context in
            let body = try await JSONBody.decodeIfPresent(Removal.self, from: request)
            try await accounts.remove(
                context.identifier("id"), secret: body?.secret ?? body?.password, address: context.remoteAddress,
                as: context.requirePrincipal())
            return Response(status: .noContent)
        }
    }

    private func addAdministration(to routes: RouteTable) {
        routes.patch(
            "/users/:id/role",
            Operation(
                "Make a user an administrator of the installation, or no longer (administrators)", tag: "users",
                scope: .session,
                requestBody: .objectSchema(
                    ["role": ["type": "string", "enum": ["admin", "user"]]], required: ["role"]),
                responseBody: UserRepresentation.schema, errors: [404, 422])
        ) { request, context in
            let body = try await JSONBody.decode(RoleChange.self, from: request)
            let user = try await accounts.setAdmin(
                context.identifier("id"), body.role == .admin, as: context.requirePrincipal())
            return try JSONBody.response(UserRepresentation(user))
        }
        routes.post(
            "/users/:id/unlock",
            Operation(
                "Let a user who failed to log in too often try again at once (administrators)", tag: "users",
                scope: .session,
                responseBody: UserRepresentation.schema, errors: [404])
        ) { _, context in
            let user = try await accounts.unlock(context.identifier("id"), as: context.requirePrincipal())
            return try JSONBody.response(UserRepresentation(user))
        }
    }
}
