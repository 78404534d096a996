// SPDX-License-Identifier: Apache-2.0

/// Where the journal is kept: what was written can be read, and goes when it is old enough; nothing else can be done with it.
protocol JournalStore: Sendable {
    /// Writes entries, in one transaction; one that is there already, by its identifier, is left out.
    /// - Returns: how many were new.
    func append(_ entries: [JournalEntry]) async throws -> Int
    /// - Parameter counting: whether to count all that match, too.
    func page(_ query: JournalQuery, counting: Bool) async throws -> JournalPage
    /// Removes the oldest entries that happened and were written before a time (nanoseconds since 1970; at least a day ago), in one transaction.
    /// - Returns: how many went.
    func removeExpired(before: Int64, atMost maximum: Int) async throws -> Int
}
