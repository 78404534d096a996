// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import CoAPAdapter

@Suite struct AddressKnowledgeTests {
    private static let second: UInt64 = 1_000_000_000

    private func peer(_ address: UInt32, _ port: UInt16 = 1) -> PeerAddress { PeerAddress(ipv4: address, port: port) }

    @Test("An address is an IPv4 address, or a network of 64 bits of IPv6")
    func networks() {
        #expect(peer(1, 1).network == peer(1, 2).network)
        #expect(peer(1).network != peer(2).network)
        let one = PeerAddress(high: 0x2001_0DB8_0000_0001, low: 1, port: 1)
        let other = PeerAddress(high: 0x2001_0DB8_0000_0001, low: 2, port: 1)
        #expect(one.network == other.network)
        #expect(one.network != PeerAddress(high: 0x2001_0DB8_0000_0002, low: 1, port: 1).network)
    }

    @Test("What is nobody's spends an address's allowance, what is somebody's does not, and time fills it")
    func buckets() {
        var buckets = AddressBuckets(perSecond: 2, burst: 4, capacity: 4)
        func draw(_ address: UInt32, _ now: UInt64) -> Bool { buckets.draw(peer(address).network, now: now) }
        let burst = (0..<5).map { _ in draw(1, 0) }
        #expect(burst == [true, true, true, true, false])
        #expect(draw(2, 0))
        #expect(!draw(1, Self.second / 4))
        #expect(draw(1, Self.second))
        buckets.giveBack(peer(1).network)
        #expect(draw(1, Self.second))
        for address in 10..<100 as Range<UInt32> { _ = draw(address, Self.second) }
        #expect(buckets.count <= 4)
    }

    @Test("Known addresses are forgotten after a while, and when there are too many")
    func verified() {
        var verified = VerifiedAddresses(capacity: 4)
        verified.insert(peer(1), now: 200 * Self.second)
        #expect(verified.contains(peer(1)))
        #expect(!verified.contains(peer(1, 2)))
        verified.expire(349 * Self.second)
        verified.expire(350 * Self.second)
        #expect(verified.contains(peer(1)))
        verified.expire(500 * Self.second)
        #expect(!verified.contains(peer(1)))
        for address in 0..<100 as Range<UInt32> { verified.insert(peer(address), now: 501 * Self.second) }
        #expect(verified.count <= 4)
        #expect(verified.contains(peer(99)))
    }

    @Test("An Echo value is good for its address, for a minute, and unchanged")
    func echo() {
        let verified = VerifiedAddresses()
        let echo = verified.echo(for: peer(1), now: 100 * Self.second)
        #expect(verified.isGood(echo, of: peer(1), now: 160 * Self.second))
        #expect(!verified.isGood(echo, of: peer(1), now: 161 * Self.second))
        #expect(!verified.isGood(echo, of: peer(1), now: 99 * Self.second))
        #expect(!verified.isGood(echo, of: peer(1, 2), now: 100 * Self.second))
        for index in echo.indices {
            var changed = echo
            changed[index] ^= 1
            #expect(!verified.isGood(changed, of: peer(1), now: 101 * Self.second))
        }
        #expect(!verified.isGood([], of: peer(1), now: 100 * Self.second))
        #expect(!VerifiedAddresses().isGood(echo, of: peer(1), now: 100 * Self.second))
    }
}
