// SPDX-License-Identifier: Apache-2.0
import Crypto
import Foundation

/// The public keys that access tokens are verified with: a JWK set (RFC 7517 section 5) of Ed25519 keys (RFC 8037).
public struct PublicKeySet: Codable, Sendable, Equatable {
    public struct Key: Codable, Sendable, Equatable {
        public var kty: String
        public var crv: String?
        public var alg: String?
        public var use: String?
        public var kid: String?
        /// The public key, base64url.
        public var x: String?

        init(publicKey: Data) {
            kty = "OKP"
            crv = "Ed25519"
            alg = AccessTokenNames.algorithm
            use = "sig"
            kid = PublicKeySet.thumbprint(publicKey)
            x = Base64URL.encode(publicKey)
        }

        /// True for the only kind of key that is ever used; others are ignored, as RFC 7517 section 5 asks.
        var isUsable: Bool {
            kty == "OKP" && crv == "Ed25519" && (use ?? "sig") == "sig"
                && (alg ?? AccessTokenNames.algorithm) == AccessTokenNames.algorithm
        }
    }

    public var keys: [Key]

    public init(keys: [Key]) { self.keys = keys }

    /// RFC 7638: SHA-256 of the required members in lexicographic order.
    static func thumbprint(_ publicKey: Data) -> String {
        let members = #"{"crv":"Ed25519","kty":"OKP","x":"\#(Base64URL.encode(publicKey))"}"#
        return Base64URL.encode(Data(SHA256.hash(data: Data(members.utf8))))
    }
}

/// base64url without padding (RFC 4648 section 5).
public enum Base64URL {
    public static func encode(_ data: some DataProtocol) -> String {
        Data(data).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// - Returns: nil when `text` is not the canonical form.
    public static func decode(_ text: some StringProtocol) -> Data? {
        guard
            !text.utf8.contains(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "=") }
            )
        else { return nil }
        var padded = String(text).replacing("-", with: "+").replacing("_", with: "/")
        padded += String(repeating: "=", count: (4 - padded.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: padded), encode(data) == text else { return nil }
        return data
    }
}
