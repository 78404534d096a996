// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Numbers of one to four bytes, seven bits each, the lowest first (section 1.5.5).
package enum VariableByteInteger {
    /// 2^28 - 1.
    package static let maximum: UInt32 = 268_435_455

    /// Bytes that `value` takes; 4 for anything beyond the maximum, which no packet can say.
    @inline(__always)
    package static func length(of value: UInt32) -> Int {
        value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4
    }

    /// - Parameter value: at most maximum; higher bits are cut.
    @inline(__always)
    package static func write(_ value: UInt32, into buffer: inout ByteBuffer) {
        if value < 128 {
            buffer.writeInteger(UInt8(truncatingIfNeeded: value))
            return
        }
        var rest = value & maximum
        repeat {
            let low = UInt8(truncatingIfNeeded: rest & 0x7F)
            rest >>= 7
            buffer.writeInteger(rest == 0 ? low : low | 0x80)
        } while rest != 0
    }
}
