// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit
import Identity

/// Login, refresh and revocation, in the dialects D1, D2 and D4; and the public keys.
struct TokenRoutes: Sendable {
    let sessions: Sessions
    let signer: TokenSigner

    /// D1 {email, password}, D2 {identity, secret, domain_id}, D4 {username, password}.
    private struct Login: Decodable, Sendable {
        var identity: String?
        var username: String?
        var email: String?
        var secret: String?
        var password: String?
        var domain_id: DomainID?

        func credentials() throws(ServiceError) -> (identity: String, secret: String) {
            guard let identity = identity ?? username ?? email else {
                throw ServiceError(
                    .malformed, reason: "missing-field", "'identity' (or 'username', or 'email') is missing")
            }
            guard let secret = secret ?? password else {
                throw ServiceError(.malformed, reason: "missing-field", "'secret' (or 'password') is missing")
            }
            guard (1...Credentials.maximumIdentityBytes).contains(identity.utf8.count),
                (1...Credentials.maximumSecretBytes).contains(secret.utf8.count)
            else {
                throw ServiceError(
                    .malformed, reason: "invalid-value", "identity and secret must be neither empty nor that long")
            }
            return (identity, secret)
        }
    }

    private struct RefreshToken: Decodable, Sendable {
        var refresh_token: String?
        var domain_id: DomainID?
    }

    private struct Pair: Encodable {
        var access_token: String
        var refresh_token: String
        var access_type = "Bearer"

        init(_ tokens: Sessions.Tokens) {
            access_token = tokens.access
            refresh_token = tokens.refresh
        }
    }

    private struct SingleToken: Encodable {
        var token: String
    }

    private static let pairSchema: JSONValue = .objectSchema(
        ["access_token": .stringSchema, "refresh_token": .stringSchema, "access_type": .stringSchema],
        required: ["access_token", "refresh_token", "access_type"])
    private static let refreshSchema: JSONValue = .objectSchema(["refresh_token": .stringSchema])

    func add(to routes: RouteTable) {
        routes.post(
            "/tokens",
            Operation(
                "Log in (Mainflux 0.13)", tag: "tokens", access: .anyone,
                requestBody: .objectSchema(
                    ["email": .stringSchema, "password": .stringSchema], required: ["email", "password"]),
                responseBody: .objectSchema(["token": .stringSchema], required: ["token"]), successStatus: 201,
                errors: [401, 403])
        ) { request, context in
            try await JSONBody.response(SingleToken(token: logIn(request, context).access), status: .created)
        }
        routes.post(
            "/users/tokens/issue",
            Operation(
                "Log in", tag: "tokens", access: .anyone,
                requestBody: .objectSchema(
                    ["identity": .stringSchema, "secret": .stringSchema, "domain_id": .uuidSchema],
                    required: ["identity", "secret"]),
                responseBody: Self.pairSchema, successStatus: 201, errors: [401, 403])
        ) { request, context in
            try await JSONBody.response(Pair(logIn(request, context)), status: .created)
        }
        routes.post(
            "/users/tokens/refresh",
            Operation(
                "Exchange a refresh token, as Bearer or in the body, for a new pair", tag: "tokens", access: .custom,
                requestBody: Self.refreshSchema, responseBody: Self.pairSchema, successStatus: 201,
                errors: [401, 403, 422])
        ) { request, _ in
            let body = try await JSONBody.decodeIfPresent(RefreshToken.self, from: request)
            guard body?.domain_id == nil else {
                throw ServiceError(
                    .unprocessable, reason: "session-keeps-domain",
                    "a session keeps its domain: log in with the other domain_id")
            }
            let token = try body?.refresh_token ?? BearerToken.require(request)
            return try await JSONBody.response(Pair(sessions.refresh(token)), status: .created)
        }
        addRevocation(to: routes)
        routes.get(
            "/.well-known/jwks.json",
            Operation(
                "The public keys that access tokens are signed with (RFC 7517)", tag: "tokens", access: .anyone,
                responseBody: .objectSchema(["keys": .arraySchema(of: .anyObjectSchema)], required: ["keys"]))
        ) { _, _ in
            try JSONBody.response(signer.publicKeys, headers: [.cacheControl: "public, max-age=60"])
        }
    }

    private func addRevocation(to routes: RouteTable) {
        routes.post(
            "/users/tokens/revoke",
            Operation(
                "Log out: end the session of the refresh token in the body, or of the access token that is the Bearer",
                tag: "tokens", access: .custom, requestBody: Self.refreshSchema, successStatus: 204)
        ) { request, context in
            if let token = try await JSONBody.decodeIfPresent(RefreshToken.self, from: request)?.refresh_token {
                try await sessions.revoke(refreshToken: token)
            } else {
                let principal = try await sessions.principal(of: BearerToken.require(request))
                try principal.requireSession()
                try await sessions.revoke(principal.session, actor: principal.user)
            }
            return Response(status: .noContent)
        }
    }

    private func logIn(_ request: Request, _ context: ServiceRequestContext) async throws -> Sessions.Tokens {
        let body = try await JSONBody.decode(Login.self, from: request)
        let (identity, secret) = try body.credentials()
        return try await sessions.logIn(
            identity: identity, secret: secret, domain: body.domain_id, address: context.remoteAddress)
    }
}
