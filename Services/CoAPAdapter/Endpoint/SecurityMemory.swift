// SPDX-License-Identifier: Apache-2.0
import CCoAP
import Glibc

/// What the library keeps pointers to as long as its context lives: file names, and a key that nobody has. And the place where it copies a client's key from.
final class SecurityMemory {
    /// RFC 4279 section 5.3: keys of up to 64 bytes.
    private static let keyBytes = 64

    /// Makes the library look at pre-shared keys at all; no identity has it.
    let unusedKey: UnsafeMutableBufferPointer<UInt8>
    private let key: UnsafeMutableBufferPointer<UInt8>
    private let found: UnsafeMutablePointer<coap_bin_const_t>
    private var texts: [UnsafeMutablePointer<CChar>] = []

    init() {
        unusedKey = .allocate(capacity: Self.keyBytes)
        for index in unusedKey.indices { unusedKey.initializeElement(at: index, to: .random(in: 0 ... .max)) }
        key = .allocate(capacity: Self.keyBytes)
        key.initialize(repeating: 0)
        found = .allocate(capacity: 1)
        found.initialize(to: coap_bin_const_t())
    }

    deinit {
        unusedKey.deallocate()
        key.deallocate()
        found.deallocate()
        for text in texts { free(text) }
    }

    func text(_ string: String) -> UnsafePointer<CChar>? {
        guard let copy = strdup(string) else { return nil }
        texts.append(copy)
        return UnsafePointer(copy)
    }

    /// - Returns: what is valid until the next call: the library copies it at once.
    func lend(_ secret: [UInt8]) -> UnsafePointer<coap_bin_const_t>? {
        guard secret.count <= Self.keyBytes, let base = key.baseAddress else { return nil }
        for (index, byte) in secret.enumerated() { key[index] = byte }
        found.pointee = coap_bin_const_t(length: secret.count, s: base)
        return UnsafePointer(found)
    }
}
