// SPDX-License-Identifier: Apache-2.0

/// An address and port, IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2).
package struct PeerAddress: Hashable, Sendable {
    /// Of the address's 16 bytes, in network order.
    package let high: UInt64
    package let low: UInt64
    package let port: UInt16

    package init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    /// - Parameter address: in network order read as a number: 127.0.0.1 is 0x7F000001.
    package init(ipv4 address: UInt32, port: UInt16) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(address), port: port)
    }

    private var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// What a limit for each address counts: an IPv4 address, or a network of 64 bits, of which one host may have all addresses.
    package var network: Network { Network(high: high, low: isIPv4 ? low : 0) }

    package struct Network: Hashable, Sendable {
        let high: UInt64
        let low: UInt64
    }
}

extension PeerAddress.Network {
    /// nil: it is of version 6.
    var ipv4: UInt32? { high == 0 && low >> 32 == 0xFFFF ? UInt32(truncatingIfNeeded: low) : nil }
}

extension PeerAddress.Network: CustomStringConvertible {
    /// `192.0.2.1`, `2001:db8:0:1::/64`
    package var description: String {
        if let ipv4 { return [24, 16, 8, 0].map { "\(ipv4 >> UInt32($0) & 255)" }.joined(separator: ".") }
        return [48, 32, 16, 0].map { String(high >> UInt64($0) & 0xFFFF, radix: 16) }.joined(separator: ":") + "::/64"
    }
}
