// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Hummingbird

/// A request's query, read strictly: what cannot be understood is refused, not guessed.
public struct QueryParameters: Sendable {
    private let values: [String: String]

    /// - Throws: `malformed` for a key that comes twice, a broken percent escape, or a NUL character.
    public init(_ request: Request) throws(ServiceError) {
        try self.init(query: request.uri.query ?? "")
    }

    init(query: String) throws(ServiceError) {
        var values: [String: String] = [:]
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = try Self.decode(parts[0])
            let value = try Self.decode(parts.count == 2 ? parts[1] : "")
            guard values.updateValue(value, forKey: key) == nil else {
                throw ServiceError(
                    .malformed, reason: "repeated-parameter", "the query has '\(key.prefix(64))' more than once")
            }
        }
        self.values = values
    }

    private static func decode(_ text: Substring) throws(ServiceError) -> String {
        guard let decoded = text.replacing("+", with: " ").removingPercentEncoding else {
            throw ServiceError(.malformed, reason: "broken-escape", "the query holds a broken percent escape")
        }
        guard !decoded.utf8.contains(0) else {
            throw ServiceError(.malformed, reason: "nul-character", "the query holds a NUL character")
        }
        return decoded
    }

    public subscript(name: String) -> String? { values[name] }

    /// - Throws: `malformed` when it is there and not an integer of the range.
    public func integer(_ name: String, in range: ClosedRange<Int>) throws(ServiceError) -> Int? {
        guard let text = values[name] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw ServiceError(
                .malformed, reason: "invalid-parameter",
                "'\(name)' must be an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// - Throws: `malformed` when it is there and not a finite number.
    public func number(_ name: String) throws(ServiceError) -> Double? {
        guard let text = values[name] else { return nil }
        guard let value = Double(text), value.isFinite else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'\(name)' must be a number")
        }
        return value
    }

    /// - Throws: `malformed` when it is there and neither `true` nor `false`.
    public func boolean(_ name: String) throws(ServiceError) -> Bool? {
        guard let text = values[name] else { return nil }
        switch text {
        case "true", "1": return true
        case "false", "0": return false
        default: throw ServiceError(.malformed, reason: "invalid-parameter", "'\(name)' must be true or false")
        }
    }

    /// - Throws: `malformed` when it is there and not a UUID.
    public func identifier<Kind>(_ name: String, of _: Kind.Type = Kind.self) throws(ServiceError) -> Identifier<Kind>?
    {
        guard let text = values[name] else { return nil }
        guard let value = Identifier<Kind>(text) else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'\(name)' must be a UUID")
        }
        return value
    }

    /// - Throws: `malformed` when it is there and not one of the values.
    public func choice<Value: RawRepresentable & CaseIterable>(
        _ name: String, of type: Value.Type = Value.self
    ) throws(ServiceError) -> Value? where Value.RawValue == String {
        guard let text = values[name] else { return nil }
        guard let value = Value(rawValue: text) else {
            let choices = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw ServiceError(.malformed, reason: "invalid-parameter", "'\(name)' must be one of \(choices)")
        }
        return value
    }
}
