// SPDX-License-Identifier: Apache-2.0
import Core
import Crypto

/// The `Idempotency-Key` field (draft-ietf-httpapi-idempotency-key-header): a structured-field string (RFC 9651 section 3.3.3). The bare form that many clients
/// send (`Idempotency-Key: 8e03978e…`) is read as well.
struct IdempotencyKey: Equatable {
    /// A UUID has 36 bytes, a SHA-512 in hexadecimal 128; beyond 255 it is not a key but a payload.
    static let maximumBytes = 255

    /// What stands between the quotes, unescaped.
    let value: String

    /// - Returns: nil when the value is empty, too long, holds anything but printable ASCII, or its quotes do not match.
    init?(field: String) {
        var rest = ASCII.trimmed(Substring(field)).utf8
        var bytes: [UInt8] = []
        if rest.first == UInt8(ascii: "\"") {
            rest = rest.dropFirst()
            guard rest.last == UInt8(ascii: "\"") else { return nil }
            rest = rest.dropLast()
            var isEscaped = false
            for byte in rest {
                guard (0x20...0x7E).contains(byte) else { return nil }
                if isEscaped {
                    guard byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { return nil }
                    isEscaped = false
                    bytes.append(byte)
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else {
                    guard byte != UInt8(ascii: "\"") else { return nil }
                    bytes.append(byte)
                }
            }
            guard !isEscaped else { return nil }
        } else {
            for byte in rest {
                // The bare form: no spaces, and none of what would have needed quoting.
                guard (0x21...0x7E).contains(byte), byte != UInt8(ascii: "\""), byte != UInt8(ascii: ","),
                    byte != UInt8(ascii: ";")
                else { return nil }
                bytes.append(byte)
            }
        }
        guard !bytes.isEmpty, bytes.count <= Self.maximumBytes else { return nil }
        value = String(decoding: bytes, as: UTF8.self)
    }

    /// A value that stands without quotes of its own, as in a JSON string.
    init?(value: String) {
        guard (1...Self.maximumBytes).contains(value.utf8.count),
            value.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else { return nil }
        self.value = value
    }

    /// The bus's message identifier: the same key from another thing, or for another channel, is another message.
    ///
    /// SHA-256 over both identifiers and the key, cut to 128 bits: 32 hexadecimal digits. Keys of different clients do not meet by chance (birthday
    /// bound 2^64), and a client that looks for a collision on purpose can only suppress messages of its own.
    ///
    /// - Parameter line: of a batch, whose messages share a key; 0 for a message by itself.
    func messageID(thing: ThingID, channel: ChannelID, line: Int = 0) -> String {
        var hash = SHA256()
        withUnsafeBytes(of: (thing.high.bigEndian, thing.low.bigEndian)) { hash.update(bufferPointer: $0) }
        withUnsafeBytes(of: (channel.high.bigEndian, channel.low.bigEndian)) { hash.update(bufferPointer: $0) }
        // A batch's line is told apart by a byte that no key can hold.
        var key = line == 0 ? value : "\(value)\u{0}\(line)"
        key.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        let digits = Array("0123456789abcdef".utf8)
        return String(unsafeUninitializedCapacity: 32) { text in
            var position = 0
            for byte in hash.finalize().prefix(16) {
                text[position] = digits[Int(byte >> 4)]
                text[position + 1] = digits[Int(byte & 15)]
                position += 2
            }
            return position
        }
    }
}
