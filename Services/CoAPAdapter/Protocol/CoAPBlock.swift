// SPDX-License-Identifier: Apache-2.0

/// The value of a Block1 or Block2 option (RFC 7959 section 2.2).
package struct CoAPBlock: Equatable, Sendable {
    /// Counted in blocks of ``size``; 20 bits.
    package var number: UInt32
    package var isMore: Bool
    /// 0 to 6: 16 to 1,024 bytes; 7 is BERT (RFC 8323 section 6): blocks of 1,024 bytes, several in a message.
    package var sizeExponent: UInt8

    package init(number: UInt32, isMore: Bool, sizeExponent: UInt8) {
        self.number = number
        self.isMore = isMore
        self.sizeExponent = sizeExponent
    }

    package init(_ value: UInt32) {
        number = value >> 4
        isMore = value & 8 != 0
        sizeExponent = UInt8(truncatingIfNeeded: value & 7)
    }

    package static let bert: UInt8 = 7

    /// Bytes of one block.
    package var size: Int { 16 << Int(min(sizeExponent, 6)) }

    /// Of the first byte in the body; below 2³⁰.
    package var offset: Int { Int(number) * size }

    package var value: UInt32 { number << 4 | (isMore ? 8 : 0) | UInt32(sizeExponent) }
}
