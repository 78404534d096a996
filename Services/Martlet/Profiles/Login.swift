// SPDX-License-Identifier: Apache-2.0

/// Begins a session and keeps it in the profile.
struct Login {
    let context: CommandContext
    let identity: String
    let secret: String

    /// - Parameter domain: identifier, route or name; nil: the user's own.
    func run(domain: String?) async throws {
        var tokens = try await TokenPair.logIn(
            identity: identity, secret: secret, domain: domain.flatMap(Reference.identifier), context.client)
        if let domain, Reference.identifier(domain) == nil {
            // A session keeps its domain, so a name is looked up in a first session that ends at once.
            let first = tokens
            let list = EntityList(path: "/domains", member: "domains", filters: [("status", "all")])
            let domains = try await list.load(limit: 10_000) {
                try await context.client.send($0.authorized("Bearer \(first.access)")).success()
            }
            try await TokenPair.revoke(refresh: first.refresh, context.client)
            let identifier = try Reference.match(domain, in: domains["domains"], kind: "domain")
            tokens = try await TokenPair.logIn(
                identity: identity, secret: secret, domain: identifier, context.client)
        }
        try await keep(tokens)
        try await WhoAmI(context: context).show()
    }

    private func keep(_ tokens: TokenPair) async throws {
        let address = context.client.address.description
        let sessionsBefore = try context.profile()?.refreshToken
        try await context.store.update(context.profileName) { profile in
            // Another server's keys must not be sent to this one.
            if profile?.url != address { profile = Profile(url: address) }
            profile?.identity = identity
            profile?.accessToken = tokens.access
            profile?.refreshToken = tokens.refresh
        }
        if let sessionsBefore { try? await TokenPair.revoke(refresh: sessionsBefore, context.client) }
    }
}
