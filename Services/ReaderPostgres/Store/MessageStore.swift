// SPDX-License-Identifier: Apache-2.0
import Core

/// Where messages are kept.
///
/// Each way of reading throws `unavailable` while the database is away, or nothing was ever stored in it, and `unprocessable` for what takes too
/// long or is too large for a page.
protocol MessageStore: Sendable {
    func messages(_ query: MessageQuery) async throws(ServiceError) -> MessageListing
    func aggregate(_ query: AggregationQuery) async throws(ServiceError) -> AggregationListing
    func latest(_ query: LatestQuery) async throws(ServiceError) -> MessageListing
    /// - Parameter subtopic: exactly this one; empty: of the messages without one.
    /// - Returns: nil where none is stored.
    func lastMessage(channel: ChannelID, subtopic: String) async throws(ServiceError) -> LastMessage?
    func deadLetters(_ query: DeadLetterQuery) async throws(ServiceError) -> DeadLetterListing
}
