// SPDX-License-Identifier: Apache-2.0
import Observability
import ServiceLifecycle

/// What a service is to the one that runs it.
///
///     public enum UsersService {
///         public static let description = ServiceDescription(
///             name: "users", summary: "who people are", keys: UsersKeys.all, build: build)
///         public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] { … }
///     }
public struct ServiceDescription: Sendable {
    /// The executable's name; also its name on the bus and in logs.
    public var name: String
    public var summary: String
    /// The service's own keys; ``StandardKeys/common`` is added.
    public var keys: [any ConfigurationDeclaration]
    /// The composition root: wires the parts and returns what has to run. Tests call it too.
    public var build: @Sendable (ServiceEnvironment) async throws -> [any Service]

    public init(
        name: String, summary: String, keys: [any ConfigurationDeclaration],
        build: @escaping @Sendable (ServiceEnvironment) async throws -> [any Service]
    ) {
        self.name = name
        self.summary = summary
        self.keys = keys
        self.build = build
    }

    public var allKeys: [any ConfigurationDeclaration] {
        StandardKeys.common + keys.filter { key in !StandardKeys.common.contains { $0.name == key.name } }
    }
}
