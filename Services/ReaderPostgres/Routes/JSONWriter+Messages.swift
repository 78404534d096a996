// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation

extension JSONWriter {
    mutating func write(_ name: StaticString, _ value: Int) {
        member(name)
        write(value)
    }

    mutating func write(_ name: StaticString, _ value: Bool) {
        member(name)
        write(value)
    }

    mutating func write(_ name: StaticString, _ value: String) {
        member(name)
        write(value)
    }

    mutating func write(_ name: StaticString, _ value: Double) {
        member(name)
        write(value)
    }

    mutating func write<Kind>(_ name: StaticString, _ value: Identifier<Kind>) {
        member(name)
        write(value)
    }

    mutating func write(_ name: StaticString, _ time: Int64, in unit: TimeUnit) {
        member(name)
        write(time, in: unit)
    }

    /// What comes before the filters in every list.
    mutating func writePage(
        offset: Int?, limit: Int, format: MessageFilter.Format? = nil, total: Int?, nextCursor: String?, unit: TimeUnit
    ) {
        if let offset { write("offset", offset) }
        write("limit", limit)
        if let format { write("format", format.rawValue) }
        if let total {
            write("total", total)
            if total == MessageListing.maximumTotal { write("total_is_exact", false) }
        }
        if let nextCursor { write("next_cursor", nextCursor) }
        write("time_unit", unit.rawValue)
    }

    /// The parameters that were given, as Mainflux gives them back.
    mutating func write(_ filter: MessageFilter, in unit: TimeUnit) {
        if let subtopic = filter.subtopic { write("subtopic", subtopic) }
        if let publisher = filter.publisher { write("publisher", publisher) }
        if let transport = filter.transport { write("protocol", transport) }
        if let name = filter.name { write("name", name) }
        if let value = filter.value {
            write("v", value)
            if filter.comparator != .equal { write("comparator", filter.comparator.rawValue) }
        }
        if let text = filter.stringValue { write("vs", text) }
        if let flag = filter.boolValue { write("vb", flag) }
        if let data = filter.dataValue { write("vd", data.base64url) }
        if let sequence = filter.sequence { write("sequence", Int(clamping: sequence)) }
        if let from = filter.from { write("from", from, in: unit) }
        if let to = filter.to { write("to", to, in: unit) }
    }

    mutating func write(_ message: StoredMessage, of channel: ChannelID, in unit: TimeUnit) {
        beginObject()
        write("channel", channel)
        if !message.subtopic.isEmpty { write("subtopic", message.subtopic) }
        write("publisher", message.publisher)
        write("protocol", message.transport)
        switch message.content {
        case .senml(let record):
            write("name", record.name)
            if let text = record.unit { write("unit", text) }
            write("time", message.position.time, in: unit)
            writeValues(record, in: unit)
        case .json(let text):
            write("created", message.position.time, in: unit)
            member("payload")
            write(json: text)
        case .blob(let contentType, let bytes):
            write("created", message.position.time, in: unit)
            write("content_type", contentType)
            write("payload", Data(bytes).base64EncodedString())
        }
        endObject()
    }

    /// What a record says beside its name, unit and time.
    mutating func writeValues(_ record: StoredMessage.Record, in unit: TimeUnit) {
        if let seconds = record.updateTime { write("update_time", seconds * unit.perSecond) }
        if let value = record.value { write("value", value) }
        if let text = record.stringValue { write("string_value", text) }
        if let flag = record.boolValue { write("bool_value", flag) }
        if let data = record.dataValue { write("data_value", data.base64url) }
        if let sum = record.sum { write("sum", sum) }
    }
}

extension [UInt8] {
    /// Without padding (RFC 4648 section 5).
    var base64url: String {
        Data(self).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
