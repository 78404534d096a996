// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import CoAPAdapter

@Suite struct ObservationPaceTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("Confirmable are the first, every so many, and the first after an idle time, but none too soon after another")
    func confirmable() {
        var policy = ObservationPace.Policy()
        policy.confirmableEvery = 3
        policy.spacingNanoseconds = 5 * Self.second
        policy.idleNanoseconds = 60 * Self.second
        var pace = ObservationPace(policy, now: 0)
        func isConfirmable(_ now: UInt64) -> Bool { pace.isConfirmable(now: now) }
        #expect(isConfirmable(1 * Self.second))
        // Enough of them, but too soon.
        let soon = (0..<4).map { _ in isConfirmable(2 * Self.second) }
        #expect(soon == [false, false, false, false])
        #expect(isConfirmable(6 * Self.second))
        let later = (0..<3).map { isConfirmable((20 + $0) * Self.second) }
        #expect(later == [false, false, true])
        #expect(isConfirmable(90 * Self.second))
        #expect(!isConfirmable(91 * Self.second))
    }

    @Test("An allowance is spent at once and fills again with time")
    func allowance() {
        var policy = ObservationPace.Policy()
        policy.perSecond = 10
        var pace = ObservationPace(policy, now: 0)
        func mayNotify(_ now: UInt64) -> Bool { pace.mayNotify(now: now) }
        let burst = (0..<11).map { _ in mayNotify(0) }
        #expect(burst == Array(repeating: true, count: 10) + [false])
        #expect(!mayNotify(Self.second / 20))
        #expect(mayNotify(Self.second / 10))
        #expect(!mayNotify(Self.second / 10))
    }
}
