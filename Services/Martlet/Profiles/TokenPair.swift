// SPDX-License-Identifier: Apache-2.0

/// The two tokens of a session.
struct TokenPair: Equatable, Sendable {
    var access: String
    var refresh: String

    private init(_ answer: APIResponse) throws {
        let document = try answer.json()
        guard let access = document["access_token"]?.text, let refresh = document["refresh_token"]?.text else {
            throw CommandFailure(.refused, "the server's answer to the login holds no tokens")
        }
        self.access = access
        self.refresh = refresh
    }

    /// - Parameter domain: where the tokens shall act; nil: the user's own.
    static func logIn(
        identity: String, secret: String, domain: String?, _ client: APIClient
    ) async throws -> TokenPair {
        let body = JSONValue.document([
            ("identity", .string(identity)), ("secret", .string(secret)), ("domain_id", domain.map(JSONValue.string)),
        ])
        return try TokenPair(await client.send(APIRequest(.post, "/users/tokens/issue", json: body)).success())
    }

    static func refresh(_ token: String, _ client: APIClient) async throws -> TokenPair {
        let body = JSONValue.document([("refresh_token", .string(token))])
        return try TokenPair(await client.send(APIRequest(.post, "/users/tokens/refresh", json: body)).success())
    }

    /// Ends the session; one that the server does not know is no error.
    static func revoke(refresh token: String, _ client: APIClient) async throws {
        let body = JSONValue.document([("refresh_token", .string(token))])
        try await client.send(APIRequest(.post, "/users/tokens/revoke", json: body)).success()
    }
}
