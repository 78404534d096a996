// SPDX-License-Identifier: Apache-2.0

/// A program for the kernel (classic BPF, `Documentation/networking/filter.rst`) that drops datagrams by the network that they come from.
enum PacketFilter {
    struct Instruction: Equatable {
        var code: UInt16
        /// Instructions to pass over.
        var ifTrue: UInt8 = 0
        var ifFalse: UInt8 = 0
        var value: UInt32 = 0
    }

    private enum Code {
        /// BPF_LD | BPF_B | BPF_ABS
        static let loadByte: UInt16 = 0x30
        /// BPF_LD | BPF_W | BPF_ABS
        static let loadWord: UInt16 = 0x20
        /// BPF_ALU | BPF_RSH | BPF_K
        static let shiftRight: UInt16 = 0x74
        /// BPF_JMP | BPF_JEQ | BPF_K
        static let jumpIfEqual: UInt16 = 0x15
        /// BPF_RET | BPF_K
        static let accept: UInt16 = 0x06
    }

    /// SKF_NET_OFF: offsets from the IP header on.
    private static let ipHeader = UInt32(bitPattern: -0x10_0000)
    /// Jumps reach 255 instructions: six for each network at the most, and a few besides.
    static let maximumNetworks = 32

    /// - Parameters:
    ///   - networks: at most ``maximumNetworks``, others are left out.
    ///   - otherVersions: whether datagrams that do not begin with CoAP's version are dropped, too, and those that are shorter than a byte.
    static func dropping(_ networks: [PeerAddress.Network], otherVersions: Bool) -> [Instruction] {
        let networks = networks.prefix(maximumNetworks)
        let ipv4 = networks.compactMap(\.ipv4)
        let ipv6 = networks.filter { $0.ipv4 == nil }
        // Version 6 (RFC 8200 section 3): the source is behind 8 bytes, its network the first 64 bits.
        var six: [Instruction] = []
        for network in ipv6 {
            six += [
                Instruction(code: Code.loadWord, value: ipHeader &+ 8),
                Instruction(code: Code.jumpIfEqual, ifFalse: 3, value: UInt32(truncatingIfNeeded: network.high >> 32)),
                Instruction(code: Code.loadWord, value: ipHeader &+ 12),
                Instruction(code: Code.jumpIfEqual, ifFalse: 1, value: UInt32(truncatingIfNeeded: network.high)),
                Instruction(code: Code.accept, value: 0),
            ]
        }
        six.append(Instruction(code: Code.accept, value: .max))
        // Version 4 (RFC 791 section 3.1): behind 12 bytes.
        var four = [Instruction(code: Code.loadWord, value: ipHeader &+ 12)]
        for address in ipv4 {
            four += [
                Instruction(code: Code.jumpIfEqual, ifFalse: 1, value: address),
                Instruction(code: Code.accept, value: 0),
            ]
        }
        four.append(Instruction(code: Code.accept, value: .max))
        // Behind UDP's header of 8 bytes (RFC 768); what cannot be loaded is dropped.
        let version = [
            Instruction(code: Code.loadByte, value: 8), Instruction(code: Code.shiftRight, value: 6),
            Instruction(code: Code.jumpIfEqual, ifTrue: 1, value: 1), Instruction(code: Code.accept, value: 0),
        ]
        return (otherVersions ? version : []) + [
            Instruction(code: Code.loadByte, value: ipHeader), Instruction(code: Code.shiftRight, value: 4),
            Instruction(code: Code.jumpIfEqual, ifFalse: UInt8(six.count), value: 6),
        ] + six + four
    }
}
