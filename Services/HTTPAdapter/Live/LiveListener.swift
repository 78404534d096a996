// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// One live connection's subscription. Used on its event loop only.
///
/// It is `waiting` until the feed runs, then `joined` with its position settled, and once the connection has begun to stream, `behind` (older messages are
/// read for it) or `live`; from `behind` it becomes `live` when there is nothing older any more. `left` is final.
final class LiveListener {
    enum Phase: Equatable {
        /// For the feed's run of that number.
        case waiting(UInt64)
        case joined
        case behind
        case live
        case left
    }

    let channel: ChannelID
    let filter: SubtopicFilter
    let format: LiveFormat
    /// The message that the client has had last, where it said so.
    let resumesAfter: UInt64?
    var phase = Phase.waiting(0)
    /// The feed's run in which the position means something.
    var run: UInt64 = 0
    /// Everything up to here was sent, does not match, or was not asked for.
    var position: UInt64 = 0
    /// What the feed had looked at, without regard to this listener, when it joined.
    var leastLivePosition: UInt64 = 0
    /// Set while it streams; the two hold each other until it has left.
    var stream: (any LiveStream)?
    /// Called once, when the position is settled or cannot be found out.
    var onJoined: ((Result<Void, ServiceError>) -> Void)?

    init(channel: ChannelID, filter: SubtopicFilter, format: LiveFormat, resumesAfter: UInt64?) {
        self.channel = channel
        self.filter = filter
        self.format = format
        self.resumesAfter = resumesAfter
    }
}

/// The connection of a listener.
protocol LiveStream: AnyObject {
    var outlet: LiveOutlet { get }
    /// Says why, as the protocol can, and ends the connection.
    func end(_ end: LiveEnd)
}

/// Why the server ends a live connection.
enum LiveEnd: Equatable {
    /// The right to it is gone.
    case withdrawn(ServiceError)
    case slowConsumer
    case shuttingDown
}
