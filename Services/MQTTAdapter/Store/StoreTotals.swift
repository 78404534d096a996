// SPDX-License-Identifier: Apache-2.0

/// What the store holds and does, for metrics.
package struct StoreTotals: Equatable, Sendable {
    /// In all queues.
    package var entries = 0
    /// Of their envelopes, counted for each entry: what the sessions' bounds add up to, not what the disk holds.
    package var bytes = 0
    /// Of the database file and the log beside it.
    package var fileBytes = 0
    /// Handed over and not yet written.
    package var waitingCommits = 0
    package var waitingBytes = 0
    /// Since the start.
    package var commits: UInt64 = 0
    /// Groups of commits that were written: commits / groups is what a sync is shared by.
    package var groups: UInt64 = 0
    package var failedCommits: UInt64 = 0
    /// Rows that could not be read and were left out.
    package var unreadableRows = 0

    package init() {}
}
