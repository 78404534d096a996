// SPDX-License-Identifier: Apache-2.0

/// An address and port, IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2).
struct PeerAddress: Hashable, Sendable {
    /// Of the address's 16 bytes, in network order.
    let high: UInt64
    let low: UInt64
    let port: UInt16

    init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    /// - Parameter address: in network order read as a number: 127.0.0.1 is 0x7F000001.
    init(ipv4 address: UInt32, port: UInt16) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(address), port: port)
    }

    private var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// What a limit for each address counts: an IPv4 address, or a network of 64 bits, of which one host may have all addresses.
    var network: Network { Network(high: high, low: isIPv4 ? low : 0) }

    struct Network: Hashable, Sendable {
        let high: UInt64
        let low: UInt64
    }
}
