// SPDX-License-Identifier: Apache-2.0
import Core

/// Where messages are kept.
protocol MessageStore: Sendable {
    /// - Throws: `unavailable` while the database is away, or nothing was ever stored in it.
    func messages(_ query: MessageQuery) async throws(ServiceError) -> MessageListing
}
