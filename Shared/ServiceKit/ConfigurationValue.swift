// SPDX-License-Identifier: Apache-2.0
import Configuration

/// A type that a setting can have.
public protocol ConfigurationValue: Sendable, Equatable {
    /// For messages and `--help`: `an integer`.
    static var kind: String { get }

    /// - Throws: when what is set cannot be read as this type.
    static func fetch(from reader: ConfigReader, key: ConfigKey, isSecret: Bool) async throws -> Self?

    static func text(_ value: Self) -> String
}

extension String: ConfigurationValue {
    public static var kind: String { "a text" }

    public static func fetch(from reader: ConfigReader, key: ConfigKey, isSecret: Bool) async throws -> String? {
        try await reader.fetchString(forKey: key, isSecret: isSecret)
    }

    public static func text(_ value: String) -> String { value }
}

extension Int: ConfigurationValue {
    public static var kind: String { "an integer" }

    public static func fetch(from reader: ConfigReader, key: ConfigKey, isSecret: Bool) async throws -> Int? {
        try await reader.fetchInt(forKey: key, isSecret: isSecret)
    }

    public static func text(_ value: Int) -> String { String(value) }
}

extension Double: ConfigurationValue {
    public static var kind: String { "a number" }

    public static func fetch(from reader: ConfigReader, key: ConfigKey, isSecret: Bool) async throws -> Double? {
        try await reader.fetchDouble(forKey: key, isSecret: isSecret)
    }

    public static func text(_ value: Double) -> String { String(value) }
}

extension Bool: ConfigurationValue {
    public static var kind: String { "true or false" }

    public static func fetch(from reader: ConfigReader, key: ConfigKey, isSecret: Bool) async throws -> Bool? {
        try await reader.fetchBool(forKey: key, isSecret: isSecret)
    }

    public static func text(_ value: Bool) -> String { String(value) }
}
