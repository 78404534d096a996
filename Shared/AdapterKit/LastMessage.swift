// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore

/// The message that was stored last of those to a channel and subtopic.
public struct LastMessage: Sendable, Equatable {
    /// Its number in the bus's log.
    public var sequence: UInt64
    /// When it was received: nanoseconds since 1970.
    public var created: Int64
    /// What came as SenML is SenML in JSON, resolved; anything else is what it came as.
    public var contentType: ContentType
    public var payload: ByteBuffer

    public init(sequence: UInt64, created: Int64, contentType: ContentType, payload: ByteBuffer) {
        self.sequence = sequence
        self.created = created
        self.contentType = contentType
        self.payload = payload
    }
}
