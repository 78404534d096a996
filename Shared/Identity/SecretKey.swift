// SPDX-License-Identifier: Apache-2.0
import Crypto
import Foundation

/// Keys of things, refresh tokens: random secrets that are shown once and kept as their hash only.
///
/// A plain SHA-256 is enough for them, unlike for passwords: 256 random bits cannot be guessed however fast the hash.
public enum SecretKey {
    /// A new secret: 256 bits, 43 characters of base64url.
    public static func generate() -> String { Base64URL.encode(randomBytes(32)) }

    /// SHA-256 of the secret's UTF-8 bytes, 64 lower-case hexadecimal digits.
    public static func hash(_ secret: String) -> String {
        SHA256.hash(data: Data(secret.utf8)).map { byte in
            let digits = String(byte, radix: 16)
            return byte < 16 ? "0" + digits : digits
        }.joined()
    }

    /// From the system's cryptographic generator.
    public static func randomBytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// Compares in a time that depends on the lengths only.
    public static func areEqual(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for (first, second) in zip(left, right) { difference |= first ^ second }
        return difference == 0
    }
}
