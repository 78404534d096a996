// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging

/// What the query of a live request says. It may hold a key: it is never logged, and nothing of it is repeated in an answer.
struct LiveQuery {
    /// As the Authorization field would have it.
    var authorization: String?
    /// The number of the last message that the client has had.
    var after: UInt64?
    /// What the client's messages are.
    var contentType: ContentType?

    init(target: String) throws(Refusal) {
        guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return }
        for pair in target[target.utf8.index(after: mark)...].split(separator: "&") {
            let name = pair.prefix { $0 != "=" }
            let value = pair.dropFirst(name.count + 1)
            switch name.lowercased() {
            case "authorization": try assign(try Self.decoded(value), to: &authorization, "authorization")
            case "after", "last_event_id": try assign(try Self.sequence(Self.decoded(value)), to: &after, "after")
            case "content_type", "content-type":
                guard let type = ContentType(mediaType: try Self.decoded(value)) else {
                    throw Refusal(
                        status: 400, reason: "query-content-type", "The query's content_type is not a media type.")
                }
                try assign(type, to: &contentType, "content_type")
            // Proxies and clients add parameters of their own.
            default: break
            }
        }
    }

    /// A message's number as a client repeats it.
    static func sequence(_ text: String) throws(Refusal) -> UInt64 {
        // Half of the range leaves room for every sum.
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt64(text),
            number <= UInt64.max / 2
        else {
            throw Refusal(
                status: 400, reason: "last-event-id",
                "What to resume after must be the number of a message, in decimal digits.")
        }
        return number
    }

    private func assign<Value>(_ value: Value, to member: inout Value?, _ name: String) throws(Refusal) {
        guard member == nil else {
            throw Refusal(status: 400, reason: "query-repeated", "The query's \(name) may stand only once.")
        }
        member = value
    }

    /// Percent-decoding (RFC 3986 section 2.1); a plus sign is one, as media types have it.
    private static func decoded(_ text: Substring) throws(Refusal) -> String {
        guard let decoded = text.removingPercentEncoding else {
            throw Refusal(status: 400, reason: "query-encoding", "The query is not percent-encoded UTF-8.")
        }
        return decoded
    }
}
