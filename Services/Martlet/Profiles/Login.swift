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
        let new = tokens
        try await context.keepLogin { profile in
            profile.identity = identity
            profile.accessToken = new.access
            profile.refreshToken = new.refresh
        }
        try await WhoAmI(context: context).show()
    }
}

extension CommandContext {
    /// Puts a new login into the profile in place of the old one, whose session ends.
    func keepLogin(_ change: (inout Profile) -> Void) async throws {
        let address = client.address.description
        let sessionBefore = try profile()?.refreshToken
        try await store.update(profileName) { stored in
            // Another server's keys must not be sent to this one.
            var profile = stored?.url == address ? stored ?? Profile(url: address) : Profile(url: address)
            profile.forgetLogin()
            change(&profile)
            stored = profile
        }
        if let sessionBefore { try? await TokenPair.revoke(refresh: sessionBefore, client) }
    }
}
