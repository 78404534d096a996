// SPDX-License-Identifier: Apache-2.0
import Core

/// A thing's pre-shared key for DTLS (RFC 4279), without its secret.
struct DevicePreSharedKey: Sendable, Equatable {
    /// RFC 4279 section 5.3 has identities of up to 128 bytes.
    static let identityBytes = 1...128
    /// 128 bits at least (RFC 7925 section 4.2), and 64 bytes at most, which all implementations take (RFC 4279 section 5.3).
    static let secretBytes = 16...64

    let thing: ThingID
    /// What the device names in its handshake; of one thing only in the whole installation, because the handshake names nothing else.
    let identity: String
    /// When it was made, or replaced: nanoseconds since 1970.
    let createdAt: Int64
    let createdBy: UserID?

    /// 256 random bits.
    static func newSecret() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// - Throws: `unprocessable`. An identifier as identity must be the thing's own: nobody takes that of another thing, in whichever domain it is.
    static func check(identity: String, of thing: ThingID) throws(ServiceError) {
        guard identityBytes.contains(identity.utf8.count) else {
            throw ServiceError(
                .unprocessable, reason: "psk-identity-length",
                "'identity' must be \(identityBytes.lowerBound) to \(identityBytes.upperBound) bytes of UTF-8")
        }
        guard !identity.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw ServiceError(
                .unprocessable, reason: "psk-identity-characters", "'identity' must not hold control characters")
        }
        guard ThingID(identity) == nil || identity.utf8.elementsEqual(thing.description.utf8) else {
            throw ServiceError(
                .unprocessable, reason: "psk-identity-identifier",
                "an 'identity' that is a UUID must be the thing's own, in lower case")
        }
    }

    /// - Throws: `unprocessable`.
    static func check(secret: [UInt8]) throws(ServiceError) {
        guard secretBytes.contains(secret.count) else {
            throw ServiceError(
                .unprocessable, reason: "psk-secret-length",
                "'secret' must be \(secretBytes.lowerBound) to \(secretBytes.upperBound) bytes, and has \(secret.count)"
            )
        }
    }
}

/// What a client says of a pre-shared key that is to be made or replaced.
struct PreSharedKeyDraft: Sendable, Equatable {
    /// nil: the one that the thing has already, or else its identifier.
    var identity: String?
    /// nil: 256 random bits.
    var secret: [UInt8]?
}

/// A pre-shared key just made or replaced, with the secret that is shown this once.
struct PreSharedKeyWithSecret: Sendable {
    var key: DevicePreSharedKey
    var secret: [UInt8]
}
