// SPDX-License-Identifier: Apache-2.0
import Core

/// A message as it is stored: one SenML record, one JSON document, or one blob.
struct StoredMessage: Sendable {
    enum Content: Sendable {
        case senml(Record)
        /// The text of a JSON document.
        case json(String)
        case blob(contentType: String, bytes: [UInt8])
    }

    struct Record: Sendable {
        var name: String
        var unit: String?
        var value: Double?
        var stringValue: String?
        var boolValue: Bool?
        var dataValue: [UInt8]?
        var sum: Double?
        /// Seconds.
        var updateTime: Double?
    }

    var position: MessageQuery.Position
    var subtopic: String
    var publisher: ThingID
    var transport: String
    var content: Content
}

/// A part of a channel's messages.
struct MessageListing: Sendable {
    /// Counting ends here: about a quarter of a second of the server's time.
    static let maximumTotal = 1_000_000

    var messages: [StoredMessage]
    /// nil when it was not counted; ``maximumTotal`` stands for that or more.
    var total: Int?
    var hasMore: Bool
}
