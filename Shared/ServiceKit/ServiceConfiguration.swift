// SPDX-License-Identifier: Apache-2.0
import Configuration
import Foundation
import SystemPackage

/// The settings of one service, all read and validated before anything else happens.
///
///     let configuration = try await ServiceConfiguration.load(service: "users", keys: UsersKeys.all)
///     let port = configuration[UsersKeys.port]
public struct ServiceConfiguration: Sendable {
    private let values: [String: any Sendable]
    /// Environment variables that carry the service's prefix and that no key reads: most likely a typing error.
    public let unknownEnvironmentVariables: [String]

    /// Reads every declared key: flags → environment → the JSON file named by `--config` → default.
    ///
    /// - Parameters:
    ///   - service: as in the executable's name, `http-adapter`.
    ///   - arguments: the program's name first.
    /// - Throws: for the first key that is set to something unusable, for an unknown flag, and for a file that cannot be read.
    public static func load(
        service: String, keys: [any ConfigurationDeclaration], arguments: [String] = CommandLine.arguments,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws(ConfigurationError) -> ServiceConfiguration {
        let flags = try parse(arguments, keys: keys)
        var providers: [any ConfigProvider] = [CommandLineArgumentsProvider(arguments: ["service"] + flags.settings)]
        // Each key's own variables, in order of precedence, under the key's name: so nothing is read that is not declared.
        providers.append(
            variables(environment, of: keys) { $0.environmentVariable(service: service) })
        providers.append(variables(environment, of: keys) { $0.sharedEnvironmentVariable })
        providers.append(variables(environment, of: keys) { $0.alias })
        let configPath = flags.file ?? environment[configFileVariable(service: service)]
        if let configPath {
            providers.append(try await file(configPath))
        }
        let reader = ConfigReader(providers: providers)
        var values: [String: any Sendable] = [:]
        for key in keys {
            values[key.name] = try await key.resolve(from: reader)
        }
        return ServiceConfiguration(
            values: values, unknownEnvironmentVariables: unknown(environment, service: service, keys: keys))
    }

    /// For tests: these values, and the defaults for the rest.
    public init(_ keys: [any ConfigurationDeclaration], overriding settings: [String: any Sendable] = [:])
        async throws(ConfigurationError)
    {
        let reader = ConfigReader(providers: [InMemoryProvider(values: [:])])
        var values: [String: any Sendable] = [:]
        for key in keys {
            values[key.name] = try await key.resolve(from: reader)
        }
        self.init(values: values.merging(settings) { _, new in new }, unknownEnvironmentVariables: [])
    }

    private init(values: [String: any Sendable], unknownEnvironmentVariables: [String]) {
        self.values = values
        self.unknownEnvironmentVariables = unknownEnvironmentVariables
    }

    /// The value, or nil when it is set nowhere and has no default.
    public func optional<Value>(_ key: ConfigurationKey<Value>) -> Value? {
        values[key.name] as? Value ?? key.defaultValue
    }

    /// The value.
    /// - Throws: ``ConfigurationError/missing(key:help:)`` when it is set nowhere and has no default.
    public func required<Value>(_ key: ConfigurationKey<Value>) throws(ConfigurationError) -> Value {
        guard let value = optional(key) else { throw .missing(key: key.name, help: key.help) }
        return value
    }

    private struct Flags {
        var settings: [String] = []
        var file: String?
    }

    /// Checks that every argument is known; `--flag value` and `--flag=value` are the two forms.
    private static func parse(
        _ arguments: [String], keys: [any ConfigurationDeclaration]
    ) throws(ConfigurationError) -> Flags {
        let known = Set(keys.map(\.flag))
        var flags = Flags()
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst() {
            if argument == "--check-config" { continue }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let name = parts.first, name == "--config" || known.contains(name) else {
                throw .unknownFlag(parts.first ?? argument)
            }
            let value: String
            if parts.count == 2 {
                value = parts[1]
            } else if let next = rest.first, !next.hasPrefix("--") {
                value = next
                rest = rest.dropFirst()
            } else if keys.contains(where: { $0.flag == name && $0.kind == Bool.kind }) {
                value = "true"
            } else {
                throw .invalid(key: String(name.dropFirst(2)), problem: "has no value")
            }
            if name == "--config" {
                flags.file = value
            } else {
                flags.settings.append("\(name)=\(value)")
            }
        }
        return flags
    }

    private static func variables(
        _ environment: [String: String], of keys: [any ConfigurationDeclaration],
        named name: (any ConfigurationDeclaration) -> String?
    ) -> EnvironmentVariablesProvider {
        var selected: [String: String] = [:]
        for key in keys {
            // An empty variable counts as not set: that is what compose files make of an absent one.
            if let name = name(key), let value = environment[name], !value.isEmpty {
                selected[key.name.uppercased().replacing(".", with: "_").replacing("-", with: "_")] = value
            }
        }
        return EnvironmentVariablesProvider(environmentVariables: selected)
    }

    private static func file(_ path: String) async throws(ConfigurationError) -> any ConfigProvider {
        do {
            return try await FileProvider<JSONSnapshot>(filePath: FilePath(path))
        } catch {
            throw .file(path: path, problem: "cannot be read as JSON: \(error)")
        }
    }

    private static func configFileVariable(service: String) -> String {
        ConfigurationKey<String>("config", default: nil, help: "").environmentVariable(service: service)
    }

    private static func unknown(
        _ environment: [String: String], service: String, keys: [any ConfigurationDeclaration]
    ) -> [String] {
        let prefix = ConfigurationKey<String>("", default: nil, help: "").environmentVariable(service: service)
        var known = Set(keys.map { $0.environmentVariable(service: service) })
        known.formUnion(keys.compactMap(\.sharedEnvironmentVariable))
        known.insert(configFileVariable(service: service))
        return environment.keys.filter { $0.hasPrefix(prefix) && !known.contains($0) }.sorted()
    }
}

extension ServiceConfiguration {
    /// The text of `--help`.
    public static func usage(service: String, summary: String, keys: [any ConfigurationDeclaration]) -> String {
        var text = "\(service): \(summary)\n\n"
        text +=
            "Settings are read from flags, then the environment, then the JSON file named by --config, then the default.\n\n"
        text += "  --config <path>\n      A JSON file with any of the settings below.\n"
        text += "  --check-config\n      Check the settings and exit: 0 when they are good, 1 when not.\n"
        text += "  --help, --version\n\n"
        for key in keys {
            text += "  \(key.flag) <\(key.kind)>\n"
            var names = [key.environmentVariable(service: service)]
            if let shared = key.sharedEnvironmentVariable { names.append(shared) }
            if let alias = key.alias { names.append(alias) }
            text += "      \(key.help)\n      environment: \(names.joined(separator: ", "))\n"
            if key.isSecret {
                text += "      secret\n"
            } else if let value = key.defaultText {
                text += "      default: \(value)\n"
            }
        }
        return text
    }
}
