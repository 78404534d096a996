// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit

/// Lost passwords, as Mainflux 0.13 and later have it. Its `Referer` header is not asked for: a link in a mail must not be of the
/// choosing of who asks for the mail.
struct PasswordRoutes: Sendable {
    let resets: PasswordResets

    private struct ResetRequest: Decodable, Sendable {
        var email: String?
        var identity: String?
    }

    private struct Reset: Decodable, Sendable {
        var token: String
        var password: String
        var confirm_password: String?
    }

    private static let messageSchema: JSONValue = .objectSchema(["msg": .stringSchema], required: ["msg"])

    func add(to routes: RouteTable) {
        routes.post(
            "/password/reset-request",
            Operation(
                "Ask for a mail with a token for a new password; the answer is the same whether there is such a user",
                tag: "users", access: .anyone,
                requestBody: .objectSchema(["email": .stringSchema], required: ["email"]),
                responseBody: Self.messageSchema, successStatus: 201, errors: [422])
        ) { request, context in
            let body = try await JSONBody.decode(ResetRequest.self, from: request)
            guard let identity = body.email ?? body.identity else {
                throw ServiceError(.malformed, reason: "missing-field", "'email' is missing")
            }
            try await resets.request(identity: identity, address: context.remoteAddress)
            return try JSONBody.response(
                MessageRepresentation(msg: "if there is such a user, a mail is on its way"), status: .created)
        }
        routes.put(
            "/password/reset",
            Operation(
                "Set a new password by the token of a mail; all sessions end", tag: "users", access: .anyone,
                requestBody: .objectSchema(
                    ["token": .stringSchema, "password": .stringSchema, "confirm_password": .stringSchema],
                    required: ["token", "password"]), responseBody: Self.messageSchema, successStatus: 201,
                errors: [401, 422])
        ) { request, context in
            let body = try await JSONBody.decode(Reset.self, from: request)
            guard body.confirm_password ?? body.password == body.password else {
                throw ServiceError(
                    .malformed, reason: "passwords-differ", "'password' and 'confirm_password' are not the same")
            }
            try await resets.reset(token: body.token, to: body.password, address: context.remoteAddress)
            return try JSONBody.response(MessageRepresentation(msg: "the password was changed"), status: .created)
        }
    }
}

/// What Mainflux 0.13 answers where there is nothing to show.
struct MessageRepresentation: Encodable {
    var msg: String
}
