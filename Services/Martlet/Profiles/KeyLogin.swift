// SPDX-License-Identifier: Apache-2.0

/// Lets a profile speak by a key for programs, instead of a session.
struct KeyLogin {
    /// What keys for programs begin with (`Services/Users/README.md`).
    private static let prefix = "martlet_"

    let context: CommandContext
    let key: String

    /// - Throws: ``CommandFailure`` where the text is no such key.
    init(context: CommandContext, key: String) throws(CommandFailure) {
        guard key.hasPrefix(Self.prefix), key.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
            throw .usage(
                "this is no key for programs: they begin with \(Self.prefix)",
                advice: "make one: martlet keys create <name> --scope <action>")
        }
        self.context = context
        self.key = key
    }

    /// Keeps the key, once the server has said that it is good.
    /// - Parameter domain: the identifier of the one that it is for; nil: its owner's own, if it is that.
    func run(domain: String?) async throws {
        if let domain, Reference.identifier(domain) == nil {
            throw CommandFailure.usage(
                "'\(domain)' is no identifier", advice: "a key cannot look domains up by name: --domain <id>")
        }
        let user = try await send(APIRequest(.get, "/users/profile")).json()
        let domain = try await CommandContext.domain(ofKeyOf: user, named: domain, send: send)
        try await context.keepLogin { profile in
            profile.identity = user["credentials"]?["identity"]?.text
            profile.apiKey = key
            profile.domain = domain
        }
        try await WhoAmI(context: context).show()
    }

    private func send(_ request: APIRequest) async throws -> APIResponse {
        try await context.client.send(request.authorized("Bearer \(key)")).success()
    }
}
