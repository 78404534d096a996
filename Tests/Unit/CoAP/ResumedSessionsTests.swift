// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Testing

@testable import CoAPAdapter

@Suite struct ResumedSessionsTests {
    @Test("A session is found by its master secret, and the oldest are forgotten")
    func bounded() {
        func key(_ number: UInt8) -> ResumedSessions.Key {
            [UInt8](repeating: number, count: 48).withUnsafeBytes { ResumedSessions.Key(masterSecret: $0) }
        }
        func proof(_ version: Int64) -> SecureProof {
            .preSharedKey(
                PreSharedKey(
                    thing: ThingID(high: 1, low: 1), domain: DomainID(high: 1, low: 1),
                    secret: [UInt8](repeating: 1, count: 16), version: version))
        }
        var sessions = ResumedSessions(maximumEntries: 3)
        for number in 0..<5 as Range<UInt8> { sessions.remember(proof(Int64(number)), key(number)) }
        sessions.remember(proof(4), key(4))
        #expect(sessions.count == 3)
        #expect(sessions.proof(key(1)) == nil)
        #expect(sessions.proof(key(2)) == proof(2))
        #expect(sessions.proof(key(4)) == proof(4))
    }
}
