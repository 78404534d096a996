// SPDX-License-Identifier: Apache-2.0

/// The actions that somebody has where a built-in role does not say it: by custom roles, or by a key's scopes.
public struct Grants: Sendable, Equatable {
    /// Stands for every entity.
    public static let everything = "*"

    /// Where each action is granted.
    private var entities: [Action: Set<String>]

    /// Actions on every entity.
    public init(_ actions: Set<Action>) {
        entities = Dictionary(uniqueKeysWithValues: actions.map { ($0, [Self.everything]) })
    }

    /// - Parameter scopes: for each action the identifiers of the entities, or ``everything``; an empty set grants nothing.
    public init(scopes: [Action: Set<String>]) {
        entities = scopes.filter { !$0.value.isEmpty }
    }

    /// The actions that are granted on every entity.
    public var actions: Set<Action> { Set(entities.filter { $0.value.contains(Self.everything) }.keys) }

    /// For each action the identifiers of the entities, or ``everything``.
    public var scopes: [Action: Set<String>] { entities }

    /// - Parameter entity: the identifier of what it is about; nil: something that is no single entity (a list, a creation).
    public func allow(_ action: Action, on entity: String? = nil) -> Bool {
        guard let granted = entities[action] else { return false }
        return granted.contains(Self.everything) || entity.map { granted.contains($0.lowercased()) } ?? false
    }

    /// What is left of these under the rights of the person who uses them.
    public func limited(to isAllowed: (Action) -> Bool) -> Grants {
        Grants(scopes: entities.filter { isAllowed($0.key) })
    }
}

extension Grants: Codable {
    public init(from decoder: any Decoder) throws {
        let scopes = try decoder.singleValueContainer().decode([String: Set<String>].self)
        self.init(scopes: Dictionary(uniqueKeysWithValues: scopes.map { (Action(rawValue: $0.key), $0.value) }))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(
            Dictionary(uniqueKeysWithValues: entities.map { ($0.key.rawValue, $0.value.sorted()) }))
    }
}
