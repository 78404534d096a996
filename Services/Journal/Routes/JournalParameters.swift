// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// What a query of the journal takes.
enum JournalParameters {
    static let filters: [QueryParameter] = [
        QueryParameter("user", "Only what this user did, or tried.", schema: .uuidSchema),
        QueryParameter(
            "entity_id", "Only what touches this thing, channel, group, user, domain, key.", schema: .uuidSchema),
        QueryParameter("entity", "Only what is about this kind of entity: `thing`, `channel`, `user`, …"),
        QueryParameter("operation", "Only this operation: `thing.updated`, `PATCH /things/{id}`."),
        QueryParameter("service", "Only what this service announced."),
        QueryParameter(
            "result", "Only what was done, refused, or failed.",
            schema: ["type": "string", "enum": ["done", "refused", "failed"]]),
        QueryParameter("address", "Only what came from this address."),
        QueryParameter("domain_id", "Only what happened in this domain.", schema: .uuidSchema),
        QueryParameter("from", "Not before this time, Unix seconds.", schema: ["type": "number"]),
        QueryParameter("to", "Before this time, Unix seconds.", schema: ["type": "number"]),
        QueryParameter(
            "dir", "`desc` is newest first.",
            schema: ["type": "string", "enum": ["desc", "asc"], "default": "desc"]),
        QueryParameter(
            "with_attributes", "Also the notices as they were announced.",
            schema: ["type": "boolean", "default": false]),
    ]
    static let export: [QueryParameter] =
        filters + [
            QueryParameter(
                "as", "A JSON object a line, or comma-separated values.",
                schema: ["type": "string", "enum": ["ndjson", "csv"], "default": "ndjson"])
        ]
    static let list = QueryParameter.paging + filters
}

extension JournalQuery {
    /// Everything but where the page begins.
    /// - Throws: `malformed`.
    init(_ parameters: QueryParameters, scope: Scope, limit: Int) throws(ServiceError) {
        self.init(scope: scope, limit: limit)
        domain = try parameters.identifier("domain_id")
        actor = try parameters.identifier("user")
        entityID = try parameters.identifier("entity_id")
        entity = parameters["entity"]
        operation = parameters["operation"]
        service = parameters["service"]
        result = try parameters.choice("result")
        address = parameters["address"]
        from = try parameters.nanoseconds("from")
        to = try parameters.nanoseconds("to")
        direction = try parameters.choice("dir") ?? direction
    }
}

extension QueryParameters {
    /// Unix seconds; what lies beyond 64 bits of nanoseconds is as far away as they reach.
    fileprivate func nanoseconds(_ name: String) throws(ServiceError) -> Int64? {
        guard let seconds = try number(name) else { return nil }
        let nanoseconds = (seconds * 1e9).rounded(.down)
        return Int64(exactly: nanoseconds) ?? (nanoseconds < 0 ? .min : .max)
    }
}

extension JournalQuery.Position {
    /// For clients: not to be looked into.
    var cursor: String { PageRequest.encodeCursor("\(at) \(number)") }

    /// - Throws: `malformed`.
    init(cursor text: String) throws(ServiceError) {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 2, let at = Int64(parts[0]), let number = Int64(parts[1]) else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'cursor' is not one that a list gave")
        }
        self.init(at: at, number: number)
    }
}
