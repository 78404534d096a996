// SPDX-License-Identifier: Apache-2.0

/// Where the journal is kept: what was written can be read, and nothing else be done with it.
protocol JournalStore: Sendable {
    /// Writes entries, in one transaction; one that is there already, by its identifier, is left out.
    /// - Returns: how many were new.
    func append(_ entries: [JournalEntry]) async throws -> Int
    /// - Parameter counting: whether to count all that match, too.
    func page(_ query: JournalQuery, counting: Bool) async throws -> JournalPage
}
