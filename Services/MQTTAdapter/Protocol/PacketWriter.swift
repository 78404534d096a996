// SPDX-License-Identifier: Apache-2.0

/// Fills a place whose length was worked out before.
struct PacketWriter {
    private let bytes: UnsafeMutableRawBufferPointer
    /// Bytes written.
    private(set) var count = 0

    /// - Parameter bytes: as many as will be written, at least.
    init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

    @inline(__always)
    mutating func write(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    @inline(__always)
    mutating func write(_ number: UInt16) {
        bytes.storeBytes(of: number.bigEndian, toByteOffset: count, as: UInt16.self)
        count += 2
    }

    @inline(__always)
    mutating func write(_ number: UInt32) {
        bytes.storeBytes(of: number.bigEndian, toByteOffset: count, as: UInt32.self)
        count += 4
    }

    @inline(__always)
    mutating func write(_ part: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: bytes[count..<count + part.count]).copyMemory(from: part)
        count += part.count
    }

    /// - Parameter number: at most VariableByteInteger.maximum; higher bits are cut.
    @inline(__always)
    mutating func writeVariable(_ number: UInt32) {
        var rest = number & VariableByteInteger.maximum
        while rest >= 0x80 {
            write(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        write(UInt8(truncatingIfNeeded: rest))
    }
}
