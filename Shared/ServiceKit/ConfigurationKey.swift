// SPDX-License-Identifier: Apache-2.0
import Configuration

/// One documented setting of a service.
///
/// The name is dotted lower case, `http.port`. It is read from, in this order:
/// the flag `--http-port`, the environment variable `MARTLET_<SERVICE>_HTTP_PORT`, for shared keys also `MARTLET_HTTP_PORT` and the
/// ``alias``, the JSON file's `{"http":{"port":…}}`, the default.
public struct ConfigurationKey<Value: ConfigurationValue>: ConfigurationDeclaration {
    public let name: String
    public let help: String
    public let isSecret: Bool
    public let isShared: Bool
    public let alias: String?
    /// nil: the setting may be absent.
    public let defaultValue: Value?
    private let validate: @Sendable (Value) -> String?

    /// - Parameters:
    ///   - isSecret: never printed, never logged.
    ///   - isShared: the same for all services of a machine, so also read without the service's name.
    ///   - alias: one more environment variable, where the world has a name for it already (`DATABASE_URL`).
    ///   - validate: what is wrong with the value, in a few words; nil when it is good.
    public init(
        _ name: String, default defaultValue: Value?, help: String, isSecret: Bool = false, isShared: Bool = false,
        alias: String? = nil, validate: @escaping @Sendable (Value) -> String? = { _ in nil }
    ) {
        self.name = name
        self.help = help
        self.isSecret = isSecret
        self.isShared = isShared
        self.alias = alias
        self.defaultValue = defaultValue
        self.validate = validate
    }

    public var kind: String { Value.kind }
    public var defaultText: String? { defaultValue.map(Value.text) }

    public func resolve(from reader: ConfigReader) async throws(ConfigurationError) -> (any Sendable)? {
        let found: Value?
        do {
            found = try await Value.fetch(from: reader, key: ConfigKey(name), isSecret: isSecret)
        } catch {
            throw .invalid(key: name, problem: "is not \(Value.kind)")
        }
        guard let value = found ?? defaultValue else { return nil }
        if let problem = validate(value) {
            throw .invalid(key: name, problem: problem)
        }
        return value
    }
}

extension ConfigurationKey where Value == Int {
    /// An integer within a range.
    public init(
        _ name: String, default defaultValue: Int?, range: ClosedRange<Int>, help: String, isShared: Bool = false
    ) {
        self.init(
            name, default: defaultValue, help: "\(help) (\(range.lowerBound) to \(range.upperBound))",
            isShared: isShared
        ) {
            range.contains($0) ? nil : "must be between \(range.lowerBound) and \(range.upperBound)"
        }
    }
}

/// What a list of keys knows of each one.
public protocol ConfigurationDeclaration: Sendable {
    var name: String { get }
    var help: String { get }
    var kind: String { get }
    var defaultText: String? { get }
    var isSecret: Bool { get }
    var isShared: Bool { get }
    var alias: String? { get }

    /// The value, or nil when it is set nowhere and has no default.
    func resolve(from reader: ConfigReader) async throws(ConfigurationError) -> (any Sendable)?
}

extension ConfigurationDeclaration {
    /// `--http-port`
    public var flag: String { "--" + name.replacing(".", with: "-") }

    /// `MARTLET_USERS_HTTP_PORT`
    public func environmentVariable(service: String) -> String { "MARTLET_\(upper(service))_\(upper(name))" }

    /// `MARTLET_BUS_SOCKET`; nil for a key of one service only.
    public var sharedEnvironmentVariable: String? { isShared ? "MARTLET_\(upper(name))" : nil }

    private func upper(_ text: String) -> String {
        String(text.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })
    }
}

/// Why a service refuses to start.
public enum ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    case invalid(key: String, problem: String)
    case missing(key: String, help: String)
    case unknownFlag(String)
    case file(path: String, problem: String)

    public var description: String {
        switch self {
        case .invalid(let key, let problem): "configuration key '\(key)' \(problem)"
        case .missing(let key, let help): "configuration key '\(key)' is not set: \(help)"
        case .unknownFlag(let flag): "unknown argument '\(flag)' (see --help)"
        case .file(let path, let problem): "configuration file '\(path)': \(problem)"
        }
    }
}
