// SPDX-License-Identifier: Apache-2.0

/// A role in a domain as a person names it.
enum DomainRole: Equatable, Sendable {
    /// `viewer`, `editor` or `admin`.
    case builtIn(String)
    /// One of the domain's own: its identifier.
    case custom(String)

    static let builtInNames = ["viewer", "editor", "admin"]

    /// The member that says it in a body.
    var member: (String, JSONValue?) {
        switch self {
        case .builtIn(let name): ("role", .string(name))
        case .custom(let identifier): ("role_id", .string(identifier))
        }
    }
}

extension CommandContext {
    /// - Parameter text: a built-in role, or the name or the identifier of one of the domain's own, which are never called like those.
    func role(_ text: String, of domain: String) async throws -> DomainRole {
        if DomainRole.builtInNames.contains(text) { return .builtIn(text) }
        return .custom(try await customRole(text, of: domain))
    }
}
