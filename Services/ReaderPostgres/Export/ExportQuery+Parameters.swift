// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Messaging

extension ExportQuery {
    /// - Parameters:
    ///   - accept: the header; `as` wins over it.
    ///   - now: where an export ends unless `to` says otherwise, or it would follow what is stored meanwhile for ever. Nanoseconds since 1970.
    /// - Throws: `malformed`, naming the parameter.
    init(
        channel: ChannelID, _ query: QueryParameters, accepting accept: String, now: Int64
    ) throws(ServiceError) {
        for name in ["offset", "limit", "cursor", "total", "order", "aggregation"] where query[name] != nil {
            throw ServiceError(
                .malformed, reason: "invalid-parameter",
                "an export has no pages and no order but time: '\(name)' is not for it")
        }
        let unit = try TimeUnit(query)
        self.init(filter: try MessageFilter(channel: channel, query, unit), form: try Self.form(query, accept))
        self.unit = unit
        direction = try query.choice("dir") ?? .ascending
        if direction == .ascending, filter.to == nil { filter.to = now }
        guard form.isPack else { return }
        guard filter.format == .messages, direction == .ascending, unit == .seconds else {
            throw ServiceError(
                .malformed, reason: "invalid-parameter",
                "SenML holds records in seconds, oldest first: 'format', 'dir' and 'time_unit' cannot change that")
        }
        // What is earlier would be taken for a time relative to now (RFC 8428 section 4.5.3).
        filter.from = max(filter.from ?? .min, SenMLDecoder.absoluteTimeThreshold)
    }

    private static func form(_ query: QueryParameters, _ accept: String) throws(ServiceError) -> ExportForm {
        if let form = try query.choice("as", of: ExportForm.self) { return form }
        guard !accept.isEmpty else { return .ndjson }
        guard let form = ExportForm(accepting: accept) else {
            throw ServiceError(
                .malformed, reason: "not-acceptable",
                "there is application/x-ndjson, text/csv, application/senml+json and application/senml+cbor")
        }
        return form
    }
}
