// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import HTTPKit

/// The rules for what people type.
enum Credentials {
    /// NIST SP 800-63B section 5.1.1.2: at least 8 characters, and no rules of composition.
    static let minimumSecretCharacters = 8
    /// A longer one only costs hashing time.
    static let maximumSecretBytes = 1_024
    /// RFC 5321 section 4.5.3.1.3 allows 254 for a mail address.
    static let maximumIdentityBytes = 254

    /// - Returns: what is wrong with a password that shall be set; nil when nothing is.
    static func problem(secret: String) -> String? {
        if secret.count < minimumSecretCharacters { return "must have at least \(minimumSecretCharacters) characters" }
        if secret.utf8.count > maximumSecretBytes { return "must have at most \(maximumSecretBytes) bytes" }
        return nil
    }

    static func checkSecret(_ secret: String) throws(ServiceError) {
        if let problem = problem(secret: secret) {
            throw ServiceError(.malformed, reason: "weak-secret", "the password \(problem)")
        }
    }

    /// The form in which identities are kept and compared: without surrounding space, composed (Unicode NFC), because a keyboard's `é` may
    /// be one character or two.
    static func canonical(_ identity: String) -> String {
        identity.trimmingCharacters(in: .whitespacesAndNewlines).precomposedStringWithCanonicalMapping
    }

    /// - Returns: the identity as it is kept.
    static func checkedIdentity(_ identity: String) throws(ServiceError) -> String {
        let trimmed = canonical(identity)
        guard (1...maximumIdentityBytes).contains(trimmed.utf8.count),
            !trimmed.unicodeScalars.contains(where: {
                $0.properties.isWhitespace || EntityRules.isDeceptive($0)
            })
        else {
            throw ServiceError(
                .malformed, reason: "invalid-identity",
                "the identity must have 1 to \(maximumIdentityBytes) bytes, without space, control or bidirectional formatting characters"
            )
        }
        return trimmed
    }

    /// A mail address, as far as it can be told without sending one.
    static func checkedEmail(_ email: String) throws(ServiceError) -> String {
        let identity = try checkedIdentity(email)
        let parts = identity.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
            throw ServiceError(.malformed, reason: "invalid-email", "'email' is not an e-mail address")
        }
        return identity
    }
}

/// The rules for what is attached to users and domains.
enum EntityRules {
    static let maximumTags = 64
    static let maximumTagBytes = 254
    static let maximumRouteBytes = 64

    static func checkName(_ name: String) throws(ServiceError) {
        guard name.utf8.count <= Limits.nameBytes, !name.utf8.contains(0) else {
            throw ServiceError(
                .malformed, reason: "name-too-long", "the name must have at most \(Limits.nameBytes) bytes")
        }
        guard !name.unicodeScalars.contains(where: isDeceptive) else {
            throw ServiceError(
                .malformed, reason: "invalid-name",
                "the name must not hold control or bidirectional formatting characters")
        }
    }

    /// Characters that make a text look like another one on a screen or in a mail: control characters, line and paragraph separators, and
    /// what embeds, overrides and isolates directions (Unicode UAX 9 section 2). Marks that only say a direction (U+200E, U+200F) are a
    /// part of writing.
    static func isDeceptive(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }

    static func checkTags(_ tags: [String]) throws(ServiceError) {
        guard tags.count <= maximumTags,
            tags.allSatisfy({
                (1...maximumTagBytes).contains($0.utf8.count) && !$0.unicodeScalars.contains(where: isDeceptive)
            })
        else {
            throw ServiceError(
                .malformed, reason: "invalid-tags",
                "at most \(maximumTags) tags of 1 to \(maximumTagBytes) bytes each, without control characters")
        }
    }

    static func checkMetadata(_ metadata: JSONValue) throws(ServiceError) {
        guard case .object = metadata else {
            throw ServiceError(.malformed, reason: "invalid-metadata", "'metadata' must be a JSON object")
        }
        let size = (try? JSONEncoder().encode(metadata).count) ?? Int.max
        guard size <= Limits.metadataBytes else {
            throw ServiceError(
                .malformed, reason: "metadata-too-large", "'metadata' must have at most \(Limits.metadataBytes) bytes")
        }
    }

    /// `a-z 0-9 -`, so that it can stand in a path, a topic and a subject; not a UUID, so that it is never mistaken for an identifier.
    static func checkRoute(_ route: String) throws(ServiceError) {
        let isGood =
            (1...maximumRouteBytes).contains(route.utf8.count)
            && route.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        guard isGood, DomainID(route) == nil else {
            throw ServiceError(
                .malformed, reason: "invalid-route",
                "'route' must be 1 to \(maximumRouteBytes) of a-z, 0-9 and -, and not a UUID")
        }
    }
}
