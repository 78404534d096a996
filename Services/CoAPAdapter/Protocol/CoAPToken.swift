// SPDX-License-Identifier: Apache-2.0

/// What matches a response to its request: 0 to 8 bytes that the client chose (RFC 7252 section 5.3.1), kept without an allocation.
package struct CoAPToken: Hashable, Sendable {
    package static let maximumBytes = 8

    /// The bytes, the first one lowest.
    private let bits: UInt64
    package let count: UInt8

    /// - Returns: nil for more than ``maximumBytes``.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= Self.maximumBytes else { return nil }
        var bits: UInt64 = 0
        withUnsafeMutableBytes(of: &bits) { $0.copyMemory(from: bytes) }
        self.bits = bits
        count = UInt8(bytes.count)
    }

    package static let empty = CoAPToken()

    private init() {
        bits = 0
        count = 0
    }

    package func withBytes<Value>(_ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        withUnsafeBytes(of: bits) { body(UnsafeRawBufferPointer(rebasing: $0.prefix(Int(count)))) }
    }
}
