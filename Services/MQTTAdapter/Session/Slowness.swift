// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// What is known of a client that does not, or did not, take what it gets as fast as it comes; of most there is nothing.
final class Slowness {
    var pressure = Pressure()
    /// Since when the socket has taken nothing of what waits in the channel, and how much that is.
    var stall: (since: NIODeadline, bytes: Int)?
}
