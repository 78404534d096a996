// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Who waits for one client to take what it has, and for how long they go on doing so.
///
/// Those who publish to a client that is behind are not read on, and the stream is not followed further: what would otherwise be dropped or pile up waits where
/// it came from. A client that does not catch up within ``BrokerLimits/patience`` is not waited for again for a while, each time longer: nobody can hold up
/// the others by reading slowly.
struct Pressure {
    private static let firstPause: TimeAmount = .seconds(10)
    private static let longestPause: TimeAmount = .minutes(10)

    private var held: [() -> Void] = []
    private var impatientUntil = NIODeadline.uptimeNanoseconds(0)
    private var pause = Self.firstPause
    /// One for each time that somebody began to wait.
    private(set) var episode: UInt64 = 0

    var isHolding: Bool { !held.isEmpty }

    func isPatient(_ now: NIODeadline) -> Bool { now >= impatientUntil }

    /// - Returns: whether it is the first that waits.
    mutating func hold(_ action: @escaping () -> Void) -> Bool {
        held.append(action)
        return held.count == 1
    }

    /// It was waited for in vain.
    mutating func giveUp(_ now: NIODeadline) {
        // One that has been well for as long as it was last not waited for begins anew.
        if now - impatientUntil > pause { pause = Self.firstPause }
        impatientUntil = now + pause
        pause = min(Self.longestPause, pause * 2)
    }

    /// Those who waited go on, in the order in which they came.
    mutating func takeHeld() -> [() -> Void] {
        defer { held = [] }
        episode += 1
        return held
    }
}
