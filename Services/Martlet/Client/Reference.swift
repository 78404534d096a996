// SPDX-License-Identifier: Apache-2.0
import Core

/// What a person types for a thing, channel, domain or user, turned into the identifier.
enum Reference {
    /// - Returns: nil where the text is none.
    static func identifier(_ text: String) -> String? { Identifier<Entity.Thing>(text)?.description }

    /// Finds one entity by route, name or identity in a list.
    /// - Throws: ``CommandFailure`` where there is none, or several.
    static func match(_ text: String, in list: JSONValue?, kind: String) throws(CommandFailure) -> String {
        let entities = list?.elements ?? []
        let exact = entities.filter { entity in
            entity["route"]?.text == text || entity["name"]?.text == text
                || entity["credentials"]?["identity"]?.text?.lowercased() == text.lowercased()
        }
        // A route is unique and was chosen as an identifier; a name may happen to be the same.
        let byRoute = exact.filter { $0["route"]?.text == text }
        let found = byRoute.isEmpty ? exact : byRoute
        guard let first = found.first?["id"]?.text else {
            throw CommandFailure(
                .refused, "there is no \(kind) '\(text)'", advice: "martlet \(kind)s list shows what there is",
                reason: "unknown-\(kind)")
        }
        guard found.count == 1 else {
            let identifiers = found.compactMap { $0["id"]?.text }.joined(separator: ", ")
            throw CommandFailure(
                .refused, "\(found.count) \(kind)s are called '\(text)'", advice: "say which: \(identifiers)",
                reason: "ambiguous-\(kind)")
        }
        return first
    }
}

extension CommandContext {
    func thing(_ text: String) async throws -> String { try await entity(text, kind: "thing") }

    func domain(_ text: String) async throws -> String { try await entity(text, kind: "domain") }

    /// A channel for a person's request.
    func channel(_ text: String) async throws -> String {
        if let identifier = Reference.identifier(text) { return identifier }
        if Self.isRoute(text) {
            let answer = try? await person(APIRequest(.get, "/channels/\(PercentEncoding.encode(text))"))
            if let identifier = try answer?.json()["id"]?.text { return identifier }
        }
        return try await entity(text, kind: "channel")
    }

    /// A channel for a request with a thing's key: names are a person's matter, so without a login only identifiers and routes can be resolved.
    func channelForThing(_ text: String) async throws -> String {
        if Reference.identifier(text) == nil && hasLogin { return try await channel(text) }
        return text
    }

    /// `A-Z a-z 0-9 - _`, as things has it (`Services/Things/README.md`).
    private static func isRoute(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    private func entity(_ text: String, kind: String) async throws -> String {
        // The filter is by a part of the name, whatever its case; domains are few, and are found by their routes too.
        let name: [(name: String, value: String)] = kind == "domain" ? [] : [("name", text)]
        return try await find(
            text, kind: kind, path: "/\(kind)s", member: "\(kind)s", filters: name + [("status", "all")])
    }

    /// The identifier of the one entity of a list that a person means.
    ///
    /// - Parameters:
    ///   - kind: what one is called, as the command that lists them is but for its `s`.
    ///   - member: what the list is called in the document.
    ///   - filters: which narrow the list without leaving out what is meant.
    func find(
        _ text: String, kind: String, path: String, member: String, filters: [(name: String, value: String)] = []
    ) async throws -> String {
        if let identifier = Reference.identifier(text) { return identifier }
        let list = EntityList(path: path, member: member, filters: filters)
        let found = try await list.load(limit: 10_000) { try await person($0) }
        return try Reference.match(text, in: found[member], kind: kind)
    }
}
