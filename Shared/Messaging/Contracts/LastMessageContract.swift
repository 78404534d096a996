// SPDX-License-Identifier: Apache-2.0
import Core

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Asks `reader-postgres` for the message that was stored last of those to a channel and subtopic (`rpc.reader.last`).
///
/// An answer carries at most ``maximumPartBytes`` of the payload, so that it fits into one message of the bus as JSON; the rest is asked for with
/// ``offset``. It belongs to the part before when ``LastMessageResponse/Message/sequence`` is the same.
public struct LastMessageRequest: Codable, Sendable, Equatable {
    /// In base64 this takes two thirds of the mebibyte that the bus carries.
    public static let maximumPartBytes = 512 << 10

    public var channel: ChannelID
    /// The dotted form, exactly this one; nil: of the messages without a subtopic.
    public var subtopic: String?
    /// Where in the payload the answer is to begin; absent: at its first byte.
    public var offset: Int?

    public init(channel: ChannelID, subtopic: String?, offset: Int? = nil) {
        self.channel = channel
        self.subtopic = subtopic
        self.offset = offset
    }
}

public struct LastMessageResponse: Codable, Sendable, Equatable {
    public struct Message: Codable, Sendable, Equatable {
        /// Its number in the bus's log.
        public var sequence: UInt64
        /// When it was received: nanoseconds since 1970.
        public var created: Int64
        /// `application/senml+json` for SenML of either representation.
        public var contentType: String
        /// Bytes of the whole payload.
        public var payloadBytes: Int
        /// From the offset on that was asked for, at most ``LastMessageRequest/maximumPartBytes``.
        public var payload: Data

        public init(sequence: UInt64, created: Int64, contentType: String, payloadBytes: Int, payload: Data) {
            self.sequence = sequence
            self.created = created
            self.contentType = contentType
            self.payloadBytes = payloadBytes
            self.payload = payload
        }
    }

    /// nil: none is stored.
    public var message: Message?

    public init(message: Message?) { self.message = message }
}
