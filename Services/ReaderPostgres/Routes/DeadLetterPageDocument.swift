// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore

/// A page of dead letters in the shape of a page of messages: the query's own parameters, the total, the letters.
struct DeadLetterPageDocument {
    let query: DeadLetterQuery
    let listing: DeadLetterListing
    /// Of all times in it.
    let unit: TimeUnit

    func json() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.writePage(
            offset: query.start.offset, limit: query.limit, total: listing.total,
            nextCursor: listing.hasMore ? listing.letters.last?.position.cursor : nil, unit: unit)
        if query.direction == .ascending { writer.write("dir", query.direction.rawValue) }
        if let sequence = query.sequence { writer.write("sequence", Int(clamping: sequence)) }
        if let reason = query.reason { writer.write("reason", reason) }
        if let publisher = query.publisher { writer.write("publisher", publisher) }
        if let from = query.from { writer.write("from", from, in: unit) }
        if let to = query.to { writer.write("to", to, in: unit) }
        writer.member("dead_letters")
        writer.beginArray()
        for letter in listing.letters { write(letter, to: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private func write(_ letter: StoredDeadLetter, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.write("channel", query.channel)
        writer.write("stream", letter.position.stream)
        writer.write("sequence", Int(clamping: letter.position.sequence))
        if letter.position.record != StoredDeadLetter.wholeMessage {
            writer.write("record", Int(letter.position.record))
        }
        writer.write("reason", letter.reason)
        writer.write("message", letter.explanation)
        writer.write("refused", letter.position.refusedAt, in: unit)
        guard let message = letter.message else {
            writer.write("envelope", letter.envelope.base64)
            return writer.endObject()
        }
        if !message.subtopic.isEmpty { writer.write("subtopic", message.subtopic) }
        writer.write("publisher", message.publisher)
        writer.write("protocol", message.transport.rawValue)
        writer.write("created", message.created, in: unit)
        writer.write("content_type", message.contentType.mediaType)
        writer.write("payload", message.payload.base64)
        writer.endObject()
    }
}

extension ByteBuffer {
    fileprivate var base64: String { Data(readableBytesView).base64EncodedString() }
}
