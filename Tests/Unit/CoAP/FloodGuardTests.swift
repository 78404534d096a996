// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import CoAPAdapter

@Suite struct FloodGuardTests {
    private static let second: UInt64 = 1_000_000_000
    private let flood = PeerAddress(ipv4: 0x7F00_0002, port: 1).network
    private let other = PeerAddress(ipv4: 0x7F00_0003, port: 1).network
    private let third = PeerAddress(high: 0x2001_0DB8_0000_0001, low: 5, port: 1).network

    private func sample(
        _ guarding: inout FloodGuard, _ networks: [PeerAddress.Network], now: UInt64
    ) -> Set<PeerAddress.Network> {
        var found: Set<PeerAddress.Network> = []
        for network in networks { found.formUnion(guarding.sample(network, now: now)) }
        return found
    }

    @Test("Who has more than a quarter of what waits is ignored for a while, others are not")
    func share() {
        var guarding = FloodGuard()
        let few = Array(repeating: flood, count: 47) + Array(repeating: third, count: 17)
        #expect(sample(&guarding, few.dropLast(), now: 0) == [])
        #expect(sample(&guarding, [third], now: 0) == [flood, third])
        #expect(Set(guarding.networks(now: 1)) == [flood, third])
        #expect(guarding.nextEnd(now: 1) == Self.second / 10)
        #expect(guarding.networks(now: Self.second / 10) == [])
        #expect(
            sample(&guarding, Array(repeating: flood, count: 60) + Array(repeating: other, count: 4), now: Self.second)
                == [flood])
        // What waited before the buffer was empty says nothing.
        _ = sample(&guarding, Array(repeating: other, count: 63), now: Self.second)
        guarding.forgetSamples()
        #expect(sample(&guarding, Array(repeating: third, count: 63), now: Self.second) == [])
    }

    @Test("Longer each time, but not when nobody else is there")
    func length() {
        var guarding = FloodGuard()
        let all = Array(repeating: flood, count: 64)
        var now: UInt64 = 1
        func next() -> UInt64 {
            _ = sample(&guarding, all, now: now)
            let end = guarding.nextEnd(now: now) ?? 0
            let length = end - now
            now = end
            return length
        }
        guarding.saw(flood, now: now)
        #expect([next(), next()] == [Self.second / 10, Self.second / 10])
        guarding.saw(other, now: now)
        guarding.saw(flood, now: now)
        #expect((0..<8).map { _ in next() / (Self.second / 10) } == [2, 4, 8, 16, 32, 64, 100, 100])
        // Long after, all of it begins anew.
        now += 100 * Self.second
        guarding.expire(now)
        #expect(next() == Self.second / 10)
    }

    @Test("No more are ignored than a filter takes: the first to end makes room")
    func maximum() {
        var guarding = FloodGuard()
        for number in 0..<40 {
            guarding.ignore(
                PeerAddress(ipv4: UInt32(number), port: 0).network, for: UInt64(number + 1) * Self.second, now: 0)
        }
        let networks = guarding.networks(now: 0)
        #expect(networks.count == PacketFilter.maximumNetworks)
        #expect(!networks.contains(PeerAddress(ipv4: 7, port: 0).network))
        #expect(networks.contains(PeerAddress(ipv4: 8, port: 0).network))
    }

    @Test("A filter drops what comes from a network, of version 4 and 6, and what is not of CoAP's version")
    func filter() {
        let ipv4 = (0..<16).map { PeerAddress(ipv4: 0x0A00_0000 + UInt32($0), port: 0).network }
        let ipv6 = (0..<16).map { PeerAddress(high: 0x2001_0DB8_0000_0000 + UInt64($0), low: 0, port: 0).network }
        let program = PacketFilter.dropping(ipv4 + ipv6, otherVersions: true)
        func isDropped(_ ip: [UInt8], _ payload: [UInt8] = [0x40]) -> Bool {
            run(program, ip: ip, udp: [UInt8](repeating: 0, count: 8) + payload) == 0
        }
        func four(_ last: UInt8) -> [UInt8] { [0x45] + [UInt8](repeating: 0, count: 11) + [10, 0, 0, last] }
        func six(_ last: UInt8) -> [UInt8] {
            [0x60] + [UInt8](repeating: 0, count: 7) + [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, last]
        }
        for last in UInt8(0)..<16 {
            #expect(isDropped(four(last)))
            #expect(isDropped(six(last)))
        }
        #expect(!isDropped(four(16)))
        #expect(!isDropped(six(16)))
        #expect([0x00, 0x3F, 0x80, 0xFF].allSatisfy { isDropped(four(16), [$0]) })
        #expect(isDropped(four(16), []))
        let secure = PacketFilter.dropping([], otherVersions: false)
        #expect(run(secure, ip: four(0), udp: [UInt8](repeating: 0, count: 8) + [0xFE]) != 0)
    }

    /// As the kernel does.
    private func run(_ program: [PacketFilter.Instruction], ip: [UInt8], udp: [UInt8]) -> UInt32 {
        var place = 0
        var value: UInt32 = 0
        while place < program.count {
            let instruction = program[place]
            place += 1
            switch instruction.code {
            case 0x30, 0x20:
                let offset = Int32(bitPattern: instruction.value)
                let bytes = offset < 0 ? ip.dropFirst(Int(offset + 0x10_0000)) : udp.dropFirst(Int(offset))
                let size = instruction.code == 0x30 ? 1 : 4
                guard bytes.count >= size else { return 0 }
                value = bytes.prefix(size).reduce(0) { $0 << 8 | UInt32($1) }
            case 0x74: value >>= instruction.value
            case 0x15: place += Int(value == instruction.value ? instruction.ifTrue : instruction.ifFalse)
            default: return instruction.value
            }
        }
        return 0
    }
}
