// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit
import Identity
import Observability

/// Mainflux's API keys: with all rights of their user in one domain.
struct KeyRoutes: Sendable {
    let keys: APIKeys

    /// Mainflux's types: 0 login, 1 recovery, 2 API; `duration` in nanoseconds, 0 for ever.
    private struct Body: Decodable, Sendable {
        var type: Int?
        var duration: KeyDuration?
        var name: String?
        var domain_id: DomainID?
    }

    private struct IssuedKey: Encodable {
        var id: KeyID
        var value: String
        var issued_at: String
        var expires_at: String?
    }

    private struct KeyDocument: Encodable {
        var id: KeyID
        var type = 2
        var subject: UserID
        var domain_id: DomainID
        var name: String
        var hint: String
        var issued_at: String
        var expires_at: String?
        var last_used_at: String?

        init(_ key: APIKey) {
            id = key.id
            subject = key.user
            domain_id = key.domain
            name = key.name
            hint = key.hint
            issued_at = Timestamp.rfc3339(key.createdAt)
            expires_at = key.expiresAt.map(Timestamp.rfc3339)
            last_used_at = key.lastUsedAt.map(Timestamp.rfc3339)
        }
    }

    private static let time: JSONValue = ["type": "string", "format": "date-time"]
    private static let issuedSchema: JSONValue = .objectSchema(
        ["id": .uuidSchema, "value": .stringSchema, "issued_at": time, "expires_at": time],
        required: ["id", "value", "issued_at"])
    private static let schema: JSONValue = .objectSchema(
        [
            "id": .uuidSchema, "type": .integerSchema, "subject": .uuidSchema, "domain_id": .uuidSchema,
            "name": .stringSchema, "hint": .stringSchema, "issued_at": time, "expires_at": time, "last_used_at": time,
        ], required: ["id", "type", "subject", "issued_at"])

    func add(to routes: RouteTable) {
        routes.post(
            "/keys",
            Operation(
                "Make a key with all of one's rights in a domain; it is shown this once", tag: "keys", scope: .session,
                requestBody: .objectSchema([
                    "type": ["type": "integer", "enum": [2]], "duration": KeyDuration.schema, "name": .stringSchema,
                    "domain_id": .uuidSchema,
                ]), responseBody: Self.issuedSchema, successStatus: 201, errors: [404, 422])
        ) { request, context in
            let body = try await JSONBody.decode(Body.self, from: request)
            guard body.type ?? 2 == 2 else {
                throw ServiceError(
                    .unprocessable, reason: "unsupported-key-type",
                    "only API keys (type 2) are made here: log in at /users/tokens/issue, recover at /password/reset-request"
                )
            }
            let issued = try await keys.create(
                APIKeys.Draft(
                    kind: .key, name: body.name ?? "", note: "", domain: body.domain_id,
                    lifetimeSeconds: body.duration?.seconds), as: context.requirePrincipal())
            return try JSONBody.created(
                IssuedKey(
                    id: issued.key.id, value: issued.secret, issued_at: Timestamp.rfc3339(issued.key.createdAt),
                    expires_at: issued.key.expiresAt.map(Timestamp.rfc3339)), location: "/keys/\(issued.key.id)")
        }
        routes.get(
            "/keys",
            Operation(
                "List one's keys", tag: "keys", scope: .session, parameters: QueryParameter.paging,
                responseBody: pageSchema("keys", of: Self.schema))
        ) { request, context in
            let page = try PageRequest(QueryParameters(request))
            let list = try await keys.list(.key, page: page, as: context.requirePrincipal())
            return try JSONBody.response(PageRepresentation(list, page, "keys", KeyDocument.init))
        }
        routes.get(
            "/keys/:id",
            Operation("One of one's keys", tag: "keys", scope: .session, responseBody: Self.schema, errors: [404])
        ) { _, context in
            let key = try await keys.key(context.identifier("id"), .key, as: context.requirePrincipal())
            return try JSONBody.response(KeyDocument(key))
        }
        routes.delete(
            "/keys/:id",
            Operation("Revoke a key", tag: "keys", scope: .session, successStatus: 204, errors: [404])
        ) { _, context in
            try await keys.remove(context.identifier("id"), .key, as: context.requirePrincipal())
            return Response(status: .noContent)
        }
    }
}

/// How long a key lives: nanoseconds as a number (Mainflux 0.13), or Go's text of a duration in hours, minutes and seconds (`720h`, `1h30m`).
struct KeyDuration: Decodable, Sendable, Equatable {
    /// nil: for ever.
    var seconds: Int64?

    static let schema: JSONValue = ["type": ["integer", "string"]]

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let nanoseconds = try? container.decode(Int64.self) {
            // Less than a second is refused later as 0 seconds; 0 itself means for ever.
            seconds = nanoseconds == 0 ? nil : nanoseconds / 1_000_000_000
            return
        }
        guard let parsed = Self.parse(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "must be nanoseconds, or hours, minutes and seconds as in 1h30m")
        }
        seconds = parsed == 0 ? nil : parsed
    }

    /// - Returns: seconds; nil when it is no such text, or one that overflows.
    static func parse(_ text: String) -> Int64? {
        guard !text.isEmpty, text.utf8.count <= 32 else { return nil }
        var total: Int64 = 0
        var digits = ""
        for character in text {
            if character.isASCII, character.isNumber {
                digits.append(character)
                continue
            }
            let units: [Character: Int64] = ["h": 3_600, "m": 60, "s": 1]
            guard let unit = units[character], let number = Int64(digits) else { return nil }
            let (product, isTooLarge) = number.multipliedReportingOverflow(by: unit)
            let (sum, overflows) = total.addingReportingOverflow(product)
            guard !isTooLarge, !overflows else { return nil }
            total = sum
            digits = ""
        }
        return digits.isEmpty || text == "0" ? total : nil
    }
}
