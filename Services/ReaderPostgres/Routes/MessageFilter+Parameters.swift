// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import HTTPKit

extension MessageFilter {
    /// Reads Mainflux's query parameters; a parameter that is there counts, whatever its value (`v=0`, `vb=false`, `from=0`).
    /// - Parameter unit: what `from` and `to` are counted in.
    /// - Throws: `malformed`, naming the parameter.
    init(channel: ChannelID, _ query: QueryParameters, _ unit: TimeUnit) throws(ServiceError) {
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
        sequence = try query.sequence()
        from = try unit.time("from", query)
        to = try unit.time("to", query)
        guard
            format == .messages
                || (name == nil && value == nil && stringValue == nil && boolValue == nil && dataValue == nil)
        else {
            throw ServiceError(
                .malformed, reason: "invalid-parameter",
                "'name', 'v', 'vs', 'vb' and 'vd' select SenML records, not format '\(format.rawValue)'")
        }
    }

    /// As ``init(channel:_:_:)``, where only SenML records will do.
    static func ofRecords(
        channel: ChannelID, _ query: QueryParameters, _ unit: TimeUnit
    ) throws(ServiceError) -> MessageFilter {
        let filter = try MessageFilter(channel: channel, query, unit)
        guard filter.format == .messages else {
            throw ServiceError(
                .malformed, reason: "invalid-parameter",
                "only SenML records, 'format=messages', have names and values, not format '\(filter.format.rawValue)'")
        }
        return filter
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

extension TimeUnit {
    /// What times of the question and of the answer are counted in: `time_unit`, seconds unless it says otherwise.
    init(_ query: QueryParameters) throws(ServiceError) { self = try query.choice("time_unit") ?? .seconds }

    /// - Returns: nanoseconds since 1970; nil when the parameter is not there.
    func time(_ name: String, _ query: QueryParameters) throws(ServiceError) -> Int64? {
        guard let text = query[name] else { return nil }
        guard let time = nanoseconds(text) else {
            throw ServiceError(
                .malformed, reason: "invalid-parameter",
                "'\(name)' must be a time since 1970 in '\(rawValue)' (time_unit)")
        }
        return time
    }
}

extension QueryParameters {
    /// A message's number in the bus's log, as publishing answers it.
    func sequence() throws(ServiceError) -> Int64? {
        try integer("sequence", in: 1...Int.max).map { Int64(clamping: $0) }
    }
}
