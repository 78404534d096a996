// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// A list's parameters as a body, for metadata that is too long or too odd for a query string; as the first dialect has it.
struct SearchBody: Decodable, Sendable {
    var name: String?
    var tag: String?
    var metadata: JSONValue?
    var status: String?
    var order: String?
    var dir: String?
    var offset: Int?
    var limit: Int?

    /// - Throws: `malformed` where the query string's parameter would be.
    func query() throws(ServiceError) -> ListQuery {
        var query = ListQuery()
        query.name = name
        query.tag = tag
        query.metadata = try MetadataText.text(of: metadata)
        switch try Self.choice(status, of: EntityFilter.Status.self, "status") ?? .enabled {
        case .enabled: query.isEnabled = true
        case .disabled: query.isEnabled = false
        case .all: query.isEnabled = nil
        }
        query.order = try Self.choice(order, "order") ?? .id
        query.direction = try Self.choice(dir, "dir") ?? .ascending
        query.start = .offset(try Self.integer(offset, in: 0...HTTPLimits.maximumOffset, "offset") ?? 0)
        query.limit = try Self.integer(limit, in: 1...HTTPLimits.pageSize, "limit") ?? HTTPLimits.defaultPageSize
        return query
    }

    private static func choice<Value: RawRepresentable & CaseIterable>(
        _ text: String?, of _: Value.Type = Value.self, _ name: String
    ) throws(ServiceError) -> Value? where Value.RawValue == String {
        guard let text, !text.isEmpty else { return nil }
        guard let value = Value(rawValue: text) else {
            let choices = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw ServiceError(.malformed, reason: "invalid-value", "'\(name)' must be one of \(choices)")
        }
        return value
    }

    private static func integer(
        _ value: Int?, in range: ClosedRange<Int>, _ name: String
    ) throws(ServiceError) -> Int? {
        guard let value else { return nil }
        guard range.contains(value) else {
            throw ServiceError(
                .malformed, reason: "invalid-value",
                "'\(name)' must be an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    static let schema = JSONValue.objectSchema([
        "name": .stringSchema, "tag": .stringSchema, "metadata": .anyObjectSchema,
        "status": ["type": "string", "enum": ["enabled", "disabled", "all"]],
        "order": ["type": "string", "enum": ["id", "name"]], "dir": ["type": "string", "enum": ["asc", "desc"]],
        "offset": ["type": "integer", "minimum": 0, "maximum": .integer(Int64(HTTPLimits.maximumOffset))],
        "limit": ["type": "integer", "minimum": 1, "maximum": .integer(Int64(HTTPLimits.pageSize))],
    ])
}
