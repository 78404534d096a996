// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import Observability

/// `/things/{id}/psk`
struct PreSharedKeyRoutes: Sendable {
    let directory: Directory

    func add(to routes: RouteTable) {
        routes.put(
            "/things/:id/psk",
            Operation(
                "Make or replace a thing's pre-shared key for DTLS: the one before is refused at once, the secret is shown this once",
                tag: "things", requestBody: ThingsSchemas.preSharedKeyChange,
                responseBody: ThingsSchemas.preSharedKeyWithSecret, errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let change = try await JSONBody.decodeIfPresent(PreSharedKeyChange.self, from: request)
            let made = try await directory.setPreSharedKey(
                of: context.thing(), try change?.draft() ?? PreSharedKeyDraft(), by: actor)
            return try JSONBody.response(PreSharedKeyDocument(made.key, secret: made.secret))
        }
        routes.get(
            "/things/:id/psk",
            Operation(
                "View a thing's pre-shared key, without the secret", tag: "things", scope: .action(.thingsWrite),
                responseBody: ThingsSchemas.preSharedKey, errors: [404])
        ) { [directory] _, context in
            let actor = try context.person()
            return try JSONBody.response(
                PreSharedKeyDocument(try await directory.preSharedKey(of: context.thing(), for: actor)))
        }
        routes.delete(
            "/things/:id/psk",
            Operation(
                "Remove a thing's pre-shared key: it is refused at once, live sessions end", tag: "things",
                successStatus: 204, errors: [404])
        ) { [directory] _, context in
            try await directory.removePreSharedKey(of: context.thing(), by: try context.person())
            return Response(status: .noContent)
        }
    }
}

/// A pre-shared key to make; what is absent stays or is made up.
struct PreSharedKeyChange: Decodable, Sendable {
    var identity: String?
    var secret: String?
    /// Of `secret`: `hex` or `base64`.
    var encoding: String?

    func draft() throws(ServiceError) -> PreSharedKeyDraft {
        var encoding: SecretText.Encoding?
        if let word = self.encoding {
            encoding = SecretText.Encoding(rawValue: word)
            guard encoding != nil else {
                throw ServiceError(.malformed, reason: "invalid-encoding", "'encoding' must be 'hex' or 'base64'")
            }
        }
        guard let secret else { return PreSharedKeyDraft(identity: identity) }
        guard let bytes = SecretText.bytes(secret, as: encoding) else {
            throw ServiceError(
                .unprocessable, reason: "psk-secret-encoding",
                "'secret' must be bytes as hexadecimal digits or in base64")
        }
        return PreSharedKeyDraft(identity: identity, secret: bytes)
    }
}

/// A pre-shared key as the API shows it. The secret is there only in the answer that made it.
struct PreSharedKeyDocument: Encodable, Sendable {
    var thing: ThingID
    var identity: String
    /// Hexadecimal digits, which DTLS clients take.
    var secret: String?
    var createdAt: String
    var createdBy: UserID?

    private enum CodingKeys: String, CodingKey {
        case identity, secret
        case thing = "thing_id"
        case createdAt = "created_at"
        case createdBy = "created_by"
    }

    init(_ key: DevicePreSharedKey, secret: [UInt8]? = nil) {
        thing = key.thing
        identity = key.identity
        self.secret = secret.map(SecretText.hexadecimal)
        createdAt = Timestamp.rfc3339(key.createdAt)
        createdBy = key.createdBy
    }
}
