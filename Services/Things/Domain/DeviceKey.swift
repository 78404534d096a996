// SPDX-License-Identifier: Apache-2.0
import Core
import Crypto

/// A thing's secret: made here or brought by the client, stored only as its SHA-256, shown only in the answer that made it.
///
/// No salt and no slow hash: a key of ours has 256 random bits, which no one guesses, and adapters look things up by the hash.
enum DeviceKey {
    /// Of a key that the client brings: 16 bytes leave no short password; Mainflux's keys are UUIDs of 36.
    static let minimumBytes = 16
    static let maximumBytes = 256

    /// 256 random bits as 43 characters of base64url (RFC 4648 section 5, unpadded).
    static func new() -> String {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(43)
        var pending: UInt64 = 0
        var bits: UInt64 = 0
        // 43 characters of 6 bits are 258: every character is random, so nothing is lost by the two over.
        for _ in 0..<43 {
            if bits < 6 {
                pending = generator.next()
                bits = 64
            }
            text.append(alphabet[Int(pending & 63)])
            pending >>= 6
            bits -= 6
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Throws: `unprocessable` for a key that is too short or long, or that a header could not carry (RFC 9110 section 5.5: printable ASCII).
    static func check(_ key: String) throws(ServiceError) {
        guard (minimumBytes...maximumBytes).contains(key.utf8.count) else {
            throw ServiceError(
                .unprocessable, reason: "key-length",
                "a key of your own must be \(minimumBytes) to \(maximumBytes) characters")
        }
        guard key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw ServiceError(
                .unprocessable, reason: "key-characters", "a key of your own must be printable ASCII without spaces")
        }
    }

    /// SHA-256 of the key's UTF-8 bytes.
    static func hash(_ key: String) -> [UInt8] {
        Array(SHA256.hash(data: Array(key.utf8)))
    }

    /// Reads the form in which the hash travels: 64 hexadecimal digits.
    static func hash(hexadecimal text: String) -> [UInt8]? {
        text.utf8.count == 64 ? SecretText.bytes(text, as: .hexadecimal) : nil
    }
}
