// SPDX-License-Identifier: Apache-2.0
import Bus
import NIOCore
import NIOHPACK

/// Responses as the header fields and content of an HTTP/2 stream.
extension ResponseComposer {
    /// - Returns: the content is nil where the response has none.
    mutating func stream(_ answer: Answer) -> (fields: HPACKHeaders, content: ByteBuffer?) {
        var fields: HPACKHeaders = [":status": "\(answer.status)", "date": String(dateText())]
        switch answer {
        case .accepted(let receipt):
            fields.add(name: "content-length", value: "0")
            Self.add([(Self.sequenceField, "\(receipt.sequence)")], to: &fields)
            if receipt.isDuplicate { fields.add(name: "idempotency-replayed", value: "true") }
            return (fields, nil)
        case .acceptedBatch(let receipt):
            fields.add(name: "content-length", value: "0")
            Self.add(
                [
                    (Self.sequenceField, "\(receipt.first)"), (Self.lastSequenceField, "\(receipt.last)"),
                    (Self.messagesField, "\(receipt.count)"),
                ], to: &fields)
            if receipt.isDuplicate { fields.add(name: "idempotency-replayed", value: "true") }
            return (fields, nil)
        case .refused(let refusal):
            let body = Self.problem(refusal)
            fields.add(name: "content-type", value: "application/problem+json")
            fields.add(name: "content-length", value: "\(body.readableBytes)")
            Self.add(refusal.fields, to: &fields)
            return (fields, body)
        case .document(let document):
            fields.add(name: "content-type", value: document.contentType)
            fields.add(name: "content-length", value: "\(document.body.readableBytes)")
            fields.add(name: "cache-control", value: "no-cache")
            return (fields, document.body)
        case .options(let allow):
            fields.add(name: "allow", value: allow)
            return (fields, nil)
        // Its own handler says so.
        case .live: return (fields, nil)
        }
    }

    /// Names are in lower case in HTTP/2 (RFC 9113 section 8.2.1).
    private static func add(_ pairs: [(name: String, value: String)], to fields: inout HPACKHeaders) {
        for (name, value) in pairs { fields.add(name: name.lowercased(), value: value) }
    }
}
