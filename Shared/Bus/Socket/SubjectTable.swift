// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Subjects seen lately as Strings, so that a message on a known one allocates nothing for it.
struct SubjectTable: Sendable {
    /// Direct-mapped: a later subject takes an earlier one's place. 256 × 16 bytes, made when first needed.
    private static let slotCount = 256
    private var slots: [String] = []

    mutating func string(for bytes: UnsafeRawBufferPointer) -> String {
        if slots.isEmpty { slots = Array(repeating: "", count: Self.slotCount) }
        let slot = Int(truncatingIfNeeded: SubjectHash.hash(bytes)) & (Self.slotCount - 1)
        if Self.equal(slots[slot], bytes) { return slots[slot] }
        let string = String(decoding: bytes, as: UTF8.self)
        slots[slot] = string
        return string
    }

    private static func equal(_ string: String, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard string.utf8.count == bytes.count else { return false }
        return string.utf8.withContiguousStorageIfAvailable { characters in
            guard let left = characters.baseAddress, let right = bytes.baseAddress else { return true }
            return memcmp(left, right, bytes.count) == 0
        } ?? string.utf8.elementsEqual(bytes)
    }
}

/// A fast hash of a subject's bytes for direct-mapped caches, where the worst that a collision does is to evict.
enum SubjectHash {
    @inline(__always)
    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        // Odd constants from the fractional part of the golden ratio and of the square root of 2.
        let first: UInt64 = 0x9E37_79B9_7F4A_7C15
        let second: UInt64 = 0x6A09_E667_F3BC_C909
        var hash = UInt64(truncatingIfNeeded: bytes.count) &* first
        var offset = 0
        while bytes.count - offset >= 8 {
            hash = (hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* second
            hash ^= hash >> 29
            offset += 8
        }
        var tail: UInt64 = 0
        while offset < bytes.count {
            tail = tail << 8 | UInt64(bytes[offset])
            offset += 1
        }
        hash = (hash ^ tail) &* first
        return hash ^ (hash >> 32)
    }
}
