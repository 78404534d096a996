// SPDX-License-Identifier: Apache-2.0

/// What a person types for another person, a role, a group of users, turned into the identifier. All in one domain, which is given by its identifier.
extension CommandContext {
    /// A member, by identifier, identity or name.
    func member(_ text: String, of domain: String) async throws -> String {
        try await find(
            text, kind: "member", path: "/domains/\(domain)/users", member: "users", filters: [("name", text)])
    }

    func members(_ texts: [String], of domain: String) async throws -> [String] {
        var members: [String] = []
        for text in texts { members.append(try await member(text, of: domain)) }
        return members
    }

    /// A member, or who may become one: only administrators of the platform find others than members by name.
    func user(_ text: String, orMemberOf domain: String) async throws -> String {
        do {
            return try await member(text, of: domain)
        } catch var failure as CommandFailure where failure.reason == "unknown-member" {
            failure.advice = "martlet invitations send \(text) --role <role> asks them in"
            do {
                return try await find(
                    text, kind: "user", path: "/users", member: "users", filters: [("identity", text)])
            } catch let other as CommandFailure where other.status == .refused {
                throw failure
            }
        }
    }

    /// One of the domain's own roles, by identifier or name.
    func customRole(_ text: String, of domain: String) async throws -> String {
        try await find(text, kind: "role", path: "/domains/\(domain)/roles", member: "roles")
    }

    func userGroup(_ text: String, of domain: String) async throws -> String {
        try await find(
            text, kind: "user-group", path: "/domains/\(domain)/groups", member: "groups", filters: [("name", text)])
    }

    /// The names of the domain's own roles by their identifiers; none where one may not see them.
    func roleNames(of domain: String) async throws -> [String: String] {
        try await names(EntityList(path: "/domains/\(domain)/roles", member: "roles", filters: [])) {
            $0["name"]?.text
        }
    }

    /// What the domain's members log in with, by their identifiers; none where one may not see them.
    func memberIdentities(of domain: String) async throws -> [String: String] {
        try await names(EntityList(path: "/domains/\(domain)/users", member: "users", filters: [])) {
            $0["credentials"]?["identity"]?.text
        }
    }

    private func names(_ list: EntityList, _ name: (JSONValue) -> String?) async throws -> [String: String] {
        let elements: [JSONValue]
        do {
            elements = try await list.load(limit: 10_000) { try await person($0) }[list.member]?.elements ?? []
        } catch let failure as CommandFailure where failure.status == .refused {
            return [:]
        }
        return elements.reduce(into: [:]) { names, element in
            if let identifier = element["id"]?.text { names[identifier] = name(element) }
        }
    }
}
