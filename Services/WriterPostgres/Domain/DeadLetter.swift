// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import NIOCore

/// A message, or a record of one, that cannot be stored, with the reason.
struct DeadLetter: Sendable {
    /// For the whole message.
    static let wholeMessage: Int32 = -1

    var message: StreamMessage
    /// Index of the record in its SenML pack, or ``wholeMessage``.
    var record: Int32
    /// A stable slug: `senml-reserved-label`, `database-22P02`, …
    var reason: String
    /// One sentence.
    var explanation: String
    /// Whose letter it is: by the envelope, else by the subject; nil where neither tells.
    let channel: ChannelID?
    /// nil where the envelope cannot be read.
    let publisher: ThingID?

    init(_ message: StreamMessage, record: Int32 = wholeMessage, reason: String, _ explanation: String) {
        self.message = message
        self.record = record
        self.reason = reason
        // Whatever is quoted in it, the letter itself must be storable.
        self.explanation = explanation.replacing("\0", with: "\u{FFFD}")
        let view = try? RawMessageView(decoding: message.payload)
        publisher = view?.publisher
        channel = view?.channel ?? Self.channel(of: message.subject)
    }

    private static func channel(of subject: String) -> ChannelID? {
        Array(subject.utf8).withUnsafeBytes { Subjects.parseMessages($0)?.channel }
    }
}
