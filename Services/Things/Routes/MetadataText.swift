// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import HTTPKit

/// Metadata between the API's JSON and the store's text.
enum MetadataText {
    /// - Throws: `unprocessable` unless it is an object; nil stays nil.
    static func text(of value: JSONValue?) throws(ServiceError) -> String? {
        guard let value else { return nil }
        if case .null = value { return nil }
        guard case .object = value else {
            throw ServiceError(.unprocessable, reason: "metadata-not-object", "'metadata' must be a JSON object")
        }
        do {
            return String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
        } catch {
            throw ServiceError(.unprocessable, reason: "metadata-not-object", "'metadata' cannot be encoded as JSON")
        }
    }

    /// What the store holds was checked when it came in.
    static func value(of text: String) -> JSONValue {
        (try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))) ?? .object([:])
    }
}
