// SPDX-License-Identifier: Apache-2.0

/// One option of a message (RFC 7252 section 3.1).
package struct CoAPOption: Equatable, Sendable {
    /// Numbers of the options that are known here (RFC 7252 section 12.2 and the documents named).
    package enum Number {
        static let ifMatch: UInt16 = 1
        static let uriHost: UInt16 = 3
        static let eTag: UInt16 = 4
        static let ifNoneMatch: UInt16 = 5
        /// RFC 7641.
        static let observe: UInt16 = 6
        static let uriPort: UInt16 = 7
        static let uriPath: UInt16 = 11
        static let contentFormat: UInt16 = 12
        static let maxAge: UInt16 = 14
        static let uriQuery: UInt16 = 15
        static let accept: UInt16 = 17
        /// RFC 7959.
        static let block2: UInt16 = 23
        static let block1: UInt16 = 27
        static let size2: UInt16 = 28
        static let size1: UInt16 = 60
        /// RFC 9175.
        static let echo: UInt16 = 252
        /// RFC 7967.
        static let noResponse: UInt16 = 258
    }

    package let number: UInt16
    package let value: [UInt8]

    package init(_ number: UInt16, _ value: [UInt8]) {
        self.number = number
        self.value = value
    }

    /// An option whose format is `uint`: as few bytes as the number needs, none for 0 (RFC 7252 section 3.2).
    package init(_ number: UInt16, uint: UInt32) {
        self.number = number
        let skipped = uint.leadingZeroBitCount / 8
        value = withUnsafeBytes(of: uint.bigEndian) { Array($0.dropFirst(skipped)) }
    }

    /// The value as a `uint`.
    ///
    /// - Returns: nil when it has more than four bytes.
    package var uint: UInt32? { Self.uint(value) }

    package static func uint(_ value: some Collection<UInt8>) -> UInt32? {
        guard value.count <= 4 else { return nil }
        return value.reduce(0) { $0 << 8 | UInt32($1) }
    }
}
