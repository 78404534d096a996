// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import NIOCore

/// A stored message on its way to observers.
struct ObservedMessage: Sendable {
    /// Its number in the stream of messages.
    let sequence: UInt64
    let channel: ChannelID
    let subtopic: String
    let contentType: ContentType
    let payload: ByteBuffer

    /// - Returns: nil for what nobody observes, and for what is no envelope: the writer makes a dead letter of it.
    init?(_ stored: StreamMessage, _ interest: [ChannelID: Int]) {
        var subject = stored.subject
        let channel = subject.withUTF8 { Subjects.parseMessages(UnsafeRawBufferPointer($0))?.channel }
        guard let channel, interest[channel] != nil, let view = try? RawMessageView(decoding: stored.payload) else {
            return nil
        }
        sequence = stored.sequence
        self.channel = channel
        subtopic = view.subtopic
        contentType = view.contentType
        // Its own bytes: what an observer waits for must not keep all of the bus's answer.
        payload = ByteBuffer(bytes: view.payload.readableBytesView)
    }
}
