// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing

@testable import CoAPAdapter

@Suite struct ExchangeMemoryTests {
    private static let second: UInt64 = 1_000_000_000

    private func key(_ messageID: UInt16, port: UInt16 = 1) -> ExchangeMemory.Key {
        ExchangeMemory.Key(peer: PeerAddress(ipv4: 0x7F00_0001, port: port), session: 0, messageID: messageID)
    }

    private func response(_ bytes: Int) -> CoAPResponse {
        var response = CoAPResponse(.content)
        response.payload = ByteBuffer(repeating: 0, count: bytes)
        return response
    }

    @Test("A message is known from its coming to the end of its lifetime, by its endpoint and identifier")
    func lifetime() {
        var memory = ExchangeMemory(maximumEntries: 10, maximumBytes: 1_000)
        func begin(_ key: ExchangeMemory.Key, _ number: UInt64, now: UInt64) -> ExchangeMemory.Verdict {
            memory.begin(key, ExchangeID(number: number), now: now)
        }
        #expect(begin(key(1), 1, now: 0) == .new)
        #expect(begin(key(1), 2, now: 1) == .pending(ExchangeID(number: 1)))
        #expect(begin(key(1, port: 2), 3, now: 1) == .new)
        memory.finish(key(1), .piggybacked(response(3)))
        #expect(begin(key(1), 4, now: 246 * Self.second) == .answered(.piggybacked(response(3))))
        #expect(begin(key(1), 5, now: 247 * Self.second) == .new)
        #expect(memory.bytes == 0)
    }

    @Test("The table holds no more messages and bytes than it may, and forgets the oldest")
    func bounds() {
        var memory = ExchangeMemory(maximumEntries: 3, maximumBytes: 100)
        func begin(_ key: ExchangeMemory.Key, _ number: UInt64, now: UInt64) -> ExchangeMemory.Verdict {
            memory.begin(key, ExchangeID(number: number), now: now)
        }
        for number in 0..<10 {
            let key = key(UInt16(number))
            #expect(memory.begin(key, ExchangeID(number: UInt64(number)), now: UInt64(number)) == .new)
            memory.finish(key, .piggybacked(response(40)))
            #expect(memory.count <= 3)
            #expect(memory.bytes <= 100)
        }
        #expect(memory.forgotten == 8)
        #expect(begin(key(9), 99, now: 10) == .answered(.piggybacked(response(40))))
        #expect(begin(key(0), 99, now: 10) == .new)
        memory.expire(1_000 * Self.second)
        #expect(memory.count == 0)
        #expect(memory.bytes == 0)
    }
}
