// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation

/// A page in Mainflux's shape: the query's own parameters, the total, the messages. All times are seconds since 1970 (SenML's unit).
struct MessagePageDocument {
    let query: MessageQuery
    let listing: MessageListing

    func json() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writePage(to: &writer)
        writeFilters(to: &writer)
        writer.member("messages")
        writer.beginArray()
        for message in listing.messages { write(message, to: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private func writePage(to writer: inout JSONWriter) {
        if case .offset(let offset) = query.start {
            writer.member("offset")
            writer.write(offset)
        }
        writer.member("limit")
        writer.write(query.limit)
        writer.member("format")
        writer.write(query.format.rawValue)
        if let total = listing.total {
            writer.member("total")
            writer.write(total)
            if total == MessageListing.maximumTotal {
                writer.member("total_is_minimum")
                writer.write(true)
            }
        }
        if listing.hasMore, let last = listing.messages.last {
            writer.member("next_cursor")
            writer.write(last.position.cursor)
        }
        writer.member("time_unit")
        writer.write("s")
    }

    private func writeFilters(to writer: inout JSONWriter) {
        write("subtopic", query.subtopic, to: &writer) { $0.write($1) }
        write("publisher", query.publisher, to: &writer) { $0.write($1) }
        write("protocol", query.transport, to: &writer) { $0.write($1) }
        write("name", query.name, to: &writer) { $0.write($1) }
        write("v", query.value, to: &writer) { $0.write($1) }
        if query.value != nil, query.comparator != .equal {
            writer.member("comparator")
            writer.write(query.comparator.rawValue)
        }
        write("vs", query.stringValue, to: &writer) { $0.write($1) }
        write("vb", query.boolValue, to: &writer) { $0.write($1) }
        write("vd", query.dataValue, to: &writer) { $0.write(Self.base64url($1)) }
        write("from", query.from, to: &writer) { $0.write(seconds: $1) }
        write("to", query.to, to: &writer) { $0.write(seconds: $1) }
    }

    private func write(_ message: StoredMessage, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("channel")
        writer.write(query.channel)
        if !message.subtopic.isEmpty {
            writer.member("subtopic")
            writer.write(message.subtopic)
        }
        writer.member("publisher")
        writer.write(message.publisher)
        writer.member("protocol")
        writer.write(message.transport)
        switch message.content {
        case .senml(let record):
            write(record, at: message.position.time, to: &writer)
        case .json(let text):
            writer.member("created")
            writer.write(seconds: message.position.time)
            writer.member("payload")
            writer.write(json: text)
        case .blob(let contentType, let bytes):
            writer.member("created")
            writer.write(seconds: message.position.time)
            writer.member("content_type")
            writer.write(contentType)
            writer.member("payload")
            writer.write(Data(bytes).base64EncodedString())
        }
        writer.endObject()
    }

    private func write(_ record: StoredMessage.Record, at time: Int64, to writer: inout JSONWriter) {
        writer.member("name")
        writer.write(record.name)
        write("unit", record.unit, to: &writer) { $0.write($1) }
        writer.member("time")
        writer.write(seconds: time)
        write("update_time", record.updateTime, to: &writer) { $0.write($1) }
        write("value", record.value, to: &writer) { $0.write($1) }
        write("string_value", record.stringValue, to: &writer) { $0.write($1) }
        write("bool_value", record.boolValue, to: &writer) { $0.write($1) }
        write("data_value", record.dataValue, to: &writer) { $0.write(Self.base64url($1)) }
        write("sum", record.sum, to: &writer) { $0.write($1) }
    }

    private func write<Value>(
        _ name: StaticString, _ value: Value?, to writer: inout JSONWriter, _ body: (inout JSONWriter, Value) -> Void
    ) {
        guard let value else { return }
        writer.member(name)
        body(&writer, value)
    }

    private static func base64url(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
