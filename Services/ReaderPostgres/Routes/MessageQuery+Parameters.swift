// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import HTTPKit

extension MessageQuery {
    /// Reads Mainflux's query parameters; a parameter that is there counts, whatever its value (`v=0`, `vb=false`, `from=0`).
    /// - Throws: `malformed`, naming the parameter.
    init(channel: ChannelID, _ query: QueryParameters) throws(ServiceError) {
        self.init(channel: channel)
        format = try query.choice("format") ?? .messages
        // Dots and slashes are two notations of the same subtopic.
        subtopic = query["subtopic"].map { $0.split(separator: "/").joined(separator: ".") }
        publisher = try query.identifier("publisher")
        transport = query["protocol"]
        name = query["name"]
        value = try query.number("v")
        comparator = try query.choice("comparator") ?? .equal
        stringValue = query["vs"]
        boolValue = try query.boolean("vb")
        dataValue = try query["vd"].map(Self.data)
        from = try Self.time("from", query)
        to = try Self.time("to", query)
        direction = try query.choice("dir") ?? .descending
        countsTotal = try query.boolean("total") ?? true
        let page = try PageRequest(query, maximumLimit: Self.maximumLimit)
        limit = page.limit
        switch page.start {
        case .offset(let offset): start = .offset(offset)
        case .after(let text): start = .after(try Position(cursor: text))
        }
        guard
            format == .messages
                || (name == nil && value == nil && stringValue == nil && boolValue == nil && dataValue == nil)
        else {
            throw ServiceError(
                .malformed, reason: "invalid-parameter",
                "'name', 'v', 'vs', 'vb' and 'vd' select SenML records, not format '\(format.rawValue)'")
        }
    }

    private static func time(_ name: String, _ query: QueryParameters) throws(ServiceError) -> Int64? {
        guard let text = query[name] else { return nil }
        guard let time = SenMLSeconds.nanoseconds(text) else {
            throw ServiceError(
                .malformed, reason: "invalid-parameter", "'\(name)' must be a time in seconds since 1970")
        }
        return time
    }

    /// SenML's `vd`: base64url without padding (RFC 8428 section 5); padding and the other alphabet are understood too.
    private static func data(_ text: String) throws(ServiceError) -> [UInt8] {
        var standard = text.replacing("-", with: "+").replacing("_", with: "/").replacing("=", with: "")
        standard += String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: standard) else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'vd' must be base64url")
        }
        return Array(data)
    }
}

extension MessageQuery.Position {
    /// Reads what ``cursor`` wrote.
    init(cursor text: String) throws(ServiceError) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let time = Int64(parts[0]), let sequence = Int64(parts[1]), let record = Int32(parts[2])
        else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'cursor' is not one that a list gave")
        }
        self.init(time: time, sequence: sequence, record: record)
    }

    var cursor: String { PageRequest.encodeCursor("\(time).\(sequence).\(record)") }
}
