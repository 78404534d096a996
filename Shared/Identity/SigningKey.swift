// SPDX-License-Identifier: Apache-2.0
import Crypto
import Foundation

/// An Ed25519 key that signs access tokens.
public struct SigningKey: Sendable {
    /// The JWK thumbprint of the public key (RFC 7638 with RFC 8037 section 2).
    public let id: String
    let key: Curve25519.Signing.PrivateKey

    /// A new key.
    public init() { self.init(key: Curve25519.Signing.PrivateKey()) }

    /// - Parameter seed: 32 bytes, as ``seed`` gives them.
    /// - Throws: when it has another length.
    public init(seed: some ContiguousBytes) throws {
        self.init(key: try Curve25519.Signing.PrivateKey(rawRepresentation: seed))
    }

    private init(key: Curve25519.Signing.PrivateKey) {
        self.key = key
        id = PublicKeySet.thumbprint(key.publicKey.rawRepresentation)
    }

    /// The secret itself; whoever has it can sign.
    public var seed: Data { key.rawRepresentation }

    public var publicKey: PublicKeySet.Key { PublicKeySet.Key(publicKey: key.publicKey.rawRepresentation) }
}
