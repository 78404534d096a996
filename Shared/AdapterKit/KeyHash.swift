// SPDX-License-Identifier: Apache-2.0
import Crypto

/// The SHA-256 of a key's UTF-8 bytes: by which `things` stores keys and is asked about them.
///
/// Every connection keeps one, so it is the 32 bytes and not their text.
struct KeyHash: Hashable, Sendable {
    private let digest: SHA256.Digest

    init(of key: Substring) {
        var hash = SHA256()
        if key.utf8.withContiguousStorageIfAvailable({ hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }) == nil
        {
            Array(key.utf8).withUnsafeBytes { hash.update(bufferPointer: $0) }
        }
        digest = hash.finalize()
    }

    /// 64 lower-case hexadecimal digits.
    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(2 * SHA256.Digest.byteCount)
        for byte in digest {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
