// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import NIOCore

/// The questions that `reader-postgres` answers over the bus.
public struct ReaderClient: Sendable {
    /// How often a payload of several parts is begun anew when a newer message comes in between.
    private static let attempts = 3

    private let bus: any Bus
    private let timeout: Duration

    /// - Parameter timeout: for one question; the reader answers each with two indexed queries.
    public init(bus: any Bus, timeout: Duration = .seconds(5)) {
        self.bus = bus
        self.timeout = timeout
    }

    /// The message that was stored last of those to a channel and subtopic; nil when none is stored.
    ///
    /// What the bus accepted a moment ago may not be stored yet, so it may be older than the last one that subscribers got.
    ///
    /// - Parameter subtopic: the dotted form, exactly this one; nil: of the messages without a subtopic.
    /// - Throws: `unavailable` when the reader or its database cannot be asked, `unprocessable` (`last-message-too-large`, `query-too-slow`).
    public func lastMessage(channel: ChannelID, subtopic: String?) async throws(ServiceError) -> LastMessage? {
        for _ in 0..<Self.attempts {
            guard let first = try await part(LastMessageRequest(channel: channel, subtopic: subtopic)) else {
                return nil
            }
            if let payload = try await whole(first, channel, subtopic) {
                return LastMessage(
                    sequence: first.sequence, created: first.created,
                    contentType: ContentType(mediaType: first.contentType) ?? .octetStream, payload: payload)
            }
        }
        throw ServiceError(
            .unavailable, reason: "last-message-changing",
            "Newer messages come faster than the last one can be read; try again.", retryAfterSeconds: 1)
    }

    /// - Returns: nil when another message became the last one meanwhile.
    private func whole(
        _ first: LastMessageResponse.Message, _ channel: ChannelID, _ subtopic: String?
    ) async throws(ServiceError) -> ByteBuffer? {
        var payload = ByteBuffer(bytes: first.payload)
        while payload.readableBytes < first.payloadBytes {
            let request = LastMessageRequest(channel: channel, subtopic: subtopic, offset: payload.readableBytes)
            guard let next = try await part(request), next.sequence == first.sequence, !next.payload.isEmpty else {
                return nil
            }
            payload.writeBytes(next.payload)
        }
        return payload
    }

    private func part(_ request: LastMessageRequest) async throws(ServiceError) -> LastMessageResponse.Message? {
        try await bus.call(Subjects.lastMessage, request, returning: LastMessageResponse.self, timeout: timeout).message
    }
}
