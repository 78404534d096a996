// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation

/// What a thing presents to prove who it is: its key, and by some forms also the identifier that it claims.
public struct Credential: Sendable {
    /// The key as it was presented. Held only as long as the request that brought it.
    public let key: Substring
    /// The identifier that the thing claims (MQTT's username, HTTP Basic's when it is a UUID): must be the key's owner.
    public let claimedThing: ThingID?

    /// Longer than any key that `things` accepts; what is longer is refused without hashing it.
    public static let maximumKeyBytes = 1024

    public init(key: Substring, claimedThing: ThingID? = nil) {
        self.key = key
        self.claimedThing = claimedThing
    }

    public init(key: String, claimedThing: ThingID? = nil) {
        self.init(key: key[...], claimedThing: claimedThing)
    }

    /// Reads an `Authorization` header: `Thing <key>`, `Client <key>` (the later Mainflux dialects) or `Basic` with the key as password
    /// (RFC 7617; a user name that is a UUID is taken as the claimed thing, any other is ignored as Mainflux does). A value without
    /// a scheme is the key itself (Mainflux's WebSocket form).
    ///
    /// - Throws: `unauthenticated` with reason `missing-credential` or `malformed-credential`.
    public static func parse(authorization value: String?) throws(ServiceError) -> Credential {
        guard let value, !value.isEmpty else { throw missing }
        guard let space = value.utf8.firstIndex(of: UInt8(ascii: " ")) else {
            return try Credential(checking: value[...], claimedThing: nil)
        }
        let rest = value[value.utf8.index(after: space)...].drop { $0 == " " }
        switch value[..<space].lowercased() {
        case "thing", "client":
            return try Credential(checking: rest, claimedThing: nil)
        case "basic":
            return try parseBasic(rest)
        default:
            throw ServiceError(
                .unauthenticated, reason: "malformed-credential",
                "The Authorization header must be 'Thing <key>', 'Client <key>' or Basic with the key as password.")
        }
    }

    /// True when the header carries a person's token (RFC 6750) rather than a thing's key.
    public static func isBearer(authorization value: String?) -> Bool {
        value?.prefix(7).lowercased() == "bearer "
    }

    private static func parseBasic(_ text: Substring) throws(ServiceError) -> Credential {
        guard text.utf8.count <= 2 * maximumKeyBytes, let data = Data(base64Encoded: String(text)),
            let pair = String(validating: data, as: UTF8.self), let colon = pair.utf8.firstIndex(of: UInt8(ascii: ":"))
        else {
            throw ServiceError(
                .unauthenticated, reason: "malformed-credential",
                "The Basic credential must be base64 of 'user:key' in UTF-8.")
        }
        let key = pair[pair.utf8.index(after: colon)...]
        return try Credential(checking: key, claimedThing: ThingID(utf8: pair[..<colon].utf8))
    }

    private init(checking key: Substring, claimedThing: ThingID?) throws(ServiceError) {
        guard !key.isEmpty else { throw Self.missing }
        self.init(key: key, claimedThing: claimedThing)
    }

    private static let missing = ServiceError(
        .unauthenticated, reason: "missing-credential",
        "A thing's key is needed: 'Authorization: Thing <key>'.")
}
