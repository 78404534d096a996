// SPDX-License-Identifier: Apache-2.0
import Core

/// A presented key, by a keyed 128-bit hash whose seed lives and dies with the process: what the cache is searched by, so that no key is
/// kept and no SHA-256 is computed for a key that is known.
struct KeyFingerprint: Hashable, Sendable {
    let high: UInt64
    let low: UInt64
}

/// Makes fingerprints with a random seed of its own.
struct KeyFingerprinter: Sendable {
    private let seeds: (UInt64, UInt64, UInt64, UInt64)

    init() {
        var generator = SystemRandomNumberGenerator()
        seeds = (generator.next(), generator.next(), generator.next(), generator.next())
    }

    func fingerprint(_ key: Substring) -> KeyFingerprint {
        key.utf8.withContiguousStorageIfAvailable { fingerprint(UnsafeRawBufferPointer($0)) }
            ?? Array(key.utf8).withUnsafeBytes { fingerprint($0) }
    }

    /// Of a thing that needs no key. No key has the same: the byte before the identifier is none of UTF-8's.
    func fingerprint(_ thing: ThingID) -> KeyFingerprint {
        withUnsafeTemporaryAllocation(byteCount: 17, alignment: 8) { buffer in
            buffer[0] = 0xFF
            buffer.storeBytes(of: thing.high, toByteOffset: 1, as: UInt64.self)
            buffer.storeBytes(of: thing.low, toByteOffset: 9, as: UInt64.self)
            return fingerprint(UnsafeRawBufferPointer(buffer))
        }
    }

    /// Of a thing's pre-shared key. No key has the same, and no thing: neither begins with this byte.
    func fingerprint(_ thing: ThingID, preSharedKey version: Int64) -> KeyFingerprint {
        withUnsafeTemporaryAllocation(byteCount: 25, alignment: 8) { buffer in
            buffer[0] = 0xFE
            buffer.storeBytes(of: thing.high, toByteOffset: 1, as: UInt64.self)
            buffer.storeBytes(of: thing.low, toByteOffset: 9, as: UInt64.self)
            buffer.storeBytes(of: version, toByteOffset: 17, as: Int64.self)
            return fingerprint(UnsafeRawBufferPointer(buffer))
        }
    }

    /// SipHash twice under independent 128-bit prefixes; Swift's own per-process seed comes on top.
    private func fingerprint(_ bytes: UnsafeRawBufferPointer) -> KeyFingerprint {
        var first = Hasher()
        first.combine(seeds.0)
        first.combine(seeds.1)
        first.combine(bytes: bytes)
        var second = Hasher()
        second.combine(seeds.2)
        second.combine(seeds.3)
        second.combine(bytes: bytes)
        return KeyFingerprint(
            high: UInt64(truncatingIfNeeded: first.finalize()), low: UInt64(truncatingIfNeeded: second.finalize()))
    }
}
