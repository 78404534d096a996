// SPDX-License-Identifier: Apache-2.0
import CLinux

/// CRC-32C (Castagnoli), RFC 3720 appendix B.4, by the processor's instruction where it has one.
enum Checksum {
    static let isHardware = crc32c_hardware_available() != 0

    /// Continues a checksum; state neither inverted on the way in nor out, so parts can be chained.
    @inline(__always)
    static func update(_ state: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return state }
        return isHardware ? crc32c_hardware(state, base, bytes.count) : updateBySoftware(state, bytes)
    }

    /// The standard checksum of a whole buffer.
    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        ~update(~0, bytes)
    }

    static func updateBySoftware(_ state: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        table.withUnsafeBufferPointer { table in
            var state = state
            for byte in bytes {
                state = table[Int((state ^ UInt32(byte)) & 0xFF)] ^ (state >> 8)
            }
            return state
        }
    }

    /// Reflected polynomial 0x1EDC6F41.
    private static let table: [UInt32] = (0..<256).map { index in
        var value = UInt32(index)
        for _ in 0..<8 {
            value = value & 1 == 1 ? (value >> 1) ^ 0x82F6_3B78 : value >> 1
        }
        return value
    }
}
