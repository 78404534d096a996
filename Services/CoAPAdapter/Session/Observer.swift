// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging

/// Who observes a channel (RFC 7641).
struct Observer {
    let id: ObservationID
    let peer: PeerAddress
    /// Of its registration: by which it fetches the blocks of a notification.
    let key: BodyAssembly.Key
    let channel: ChannelID
    let path: MessagePath
    let filter: SubtopicFilter
    /// The Content-Format of all its notifications (RFC 7641 section 4.2): what was accepted, else that of the first.
    var contentFormat: UInt16?
    /// What is behind this number in the stream is for it.
    let from: UInt64
    let watch: LiveSession
    /// Whether its address is known to receive: until then its newest message waits.
    var isVerified: Bool
    /// Whether the registration has been answered: notifications come behind that.
    var isAnswered = false

    /// Whether the newest message waits, whatever the pace.
    var isHeld: Bool { !isVerified || !isAnswered }
    var pace: ObservationPace

    init(
        id: ObservationID, peer: PeerAddress, key: BodyAssembly.Key, channel: ChannelID, path: MessagePath,
        contentFormat: UInt16?, from: UInt64, watch: LiveSession, isVerified: Bool, pace: ObservationPace
    ) {
        self.id = id
        self.peer = peer
        self.key = key
        self.channel = channel
        self.path = path
        filter = SubtopicFilter(path)
        self.contentFormat = contentFormat
        self.from = from
        self.watch = watch
        self.isVerified = isVerified
        self.pace = pace
    }
}

/// When a notification may go, and which of them are confirmable.
///
/// A client that is gone does not answer: so that it is noticed, a notification is confirmable when it is the first, the first after an idle time, or when enough
/// were not; but not more often than `spacing`, as one that was not acknowledged is repeated by the library (RFC 7641 section 4.5). An idle time of a day
/// at most is RFC 7641's rule.
struct ObservationPace {
    struct Policy: Sendable, Equatable {
        var confirmableEvery = 10
        var spacingNanoseconds: UInt64 = 5_000_000_000
        var idleNanoseconds: UInt64 = 60_000_000_000
        /// Notifications each second on average, as many at once; beyond, the newest waits and takes the place of others.
        var perSecond: Double = 100
    }

    private let policy: Policy
    private var sinceConfirmable = 0
    private var confirmedAt: UInt64?
    private var sentAt: UInt64
    private var tokens: Double
    private var filledAt: UInt64

    init(_ policy: Policy, now: UInt64) {
        self.policy = policy
        tokens = policy.perSecond
        filledAt = now
        sentAt = now
    }

    /// Whether there was no notification for so long.
    func isSilent(for nanoseconds: UInt64, now: UInt64) -> Bool { now &- sentAt >= nanoseconds }

    /// A confirmable notification goes beside the others.
    mutating func showedLife(now: UInt64) {
        sentAt = now
        confirmedAt = now
        sinceConfirmable = 0
    }

    /// Draws on the allowance.
    mutating func mayNotify(now: UInt64) -> Bool {
        tokens = min(policy.perSecond, tokens + Double(now &- filledAt) / 1e9 * policy.perSecond)
        filledAt = now
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    /// Whether the notification that is sent now is confirmable.
    mutating func isConfirmable(now: UInt64) -> Bool {
        defer { sentAt = now }
        sinceConfirmable += 1
        if let confirmedAt {
            let isSpaced = now &- confirmedAt >= policy.spacingNanoseconds
            let isDue = sinceConfirmable >= policy.confirmableEvery || now &- sentAt >= policy.idleNanoseconds
            guard isSpaced, isDue else { return false }
        }
        confirmedAt = now
        sinceConfirmable = 0
        return true
    }
}
