// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A connection as its event loop keeps it, whatever protocol it speaks.
protocol ServedConnection: AnyObject {
    /// Called by the loop's sweep.
    func checkDeadlines(now: NIODeadline)
    /// The server ends: finishes what is under way and closes.
    func drain()
    /// Closes at once.
    func close()
}
