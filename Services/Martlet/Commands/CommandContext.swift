// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What a command works with: the server, who one is there, where to write.
struct CommandContext: Sendable {
    var console: Console
    let client: APIClient
    let store: ProfileStore
    let profileName: String
    let environment: [String: String]
    /// Of certificates, a file; see ``APIClient``.
    let authorities: String?
    /// Asks for what must not be seen; see ``PasswordPrompt/read(_:fromStandardInput:)``.
    var secret: @Sendable (_ prompt: String, _ fromStandardInput: Bool) throws -> String = PasswordPrompt.read

    /// - Parameter connections: to the server, at most.
    init(
        _ options: GlobalOptions, environment: [String: String] = ProcessInfo.processInfo.environment,
        connections: Int = 8
    ) throws {
        self.environment = environment
        console = Console(isJSON: options.json, environment: environment)
        store = ProfileStore(environment: environment)
        if let name = options.profile ?? Self.variable("MARTLET_PROFILE", environment) {
            profileName = name
        } else {
            profileName = try store.currentName()
        }
        let address: ServerAddress
        if let url = options.url ?? Self.variable("MARTLET_URL", environment) {
            address = try ServerAddress(url)
        } else {
            address = try ServerAddress(store.load(profileName)?.url ?? ServerAddress.local)
        }
        authorities = options.caFile ?? Self.variable("MARTLET_CA_FILE", environment)
        client = try APIClient(address: address, connections: connections, authorities: authorities)
    }

    static func variable(_ name: String, _ environment: [String: String]) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The profile, where it is one for this server: what it holds is never sent to another.
    func profile() throws -> Profile? {
        guard let profile = try store.load(profileName) else { return nil }
        guard try ServerAddress(profile.url) == client.address else { return nil }
        return profile
    }

    var session: Session { Session(store: store, profileName: profileName, client: client) }

    // MARK: As a person

    /// Whether ``person(_:)`` can work at all, without asking the server.
    var hasLogin: Bool {
        if Self.variable("MARTLET_TOKEN", environment) != nil { return true }
        return ((try? profile()) ?? nil)?.isLoggedIn == true
    }

    /// Sends a request with the login's token; exchanges it once if it is refused.
    @discardableResult
    func person(_ request: APIRequest) async throws -> APIResponse {
        if let token = Self.variable("MARTLET_TOKEN", environment) {
            return try await client.send(request.authorized("Bearer \(token)")).success()
        }
        let token = try await personToken()
        let response = try await client.send(request.authorized("Bearer \(token)"))
        guard response.status == 401 else { return try response.success() }
        let replacement = try await session.accessToken(refused: token)
        return try await client.send(request.authorized("Bearer \(replacement)")).success()
    }

    /// The `Authorization` value of the login.
    func personAuthorization() async throws -> String {
        if let token = Self.variable("MARTLET_TOKEN", environment) { return "Bearer \(token)" }
        return "Bearer \(try await personToken())"
    }

    private func personToken() async throws -> String {
        if try profile() == nil, let stored = try store.load(profileName), stored.isLoggedIn {
            throw CommandFailure(
                .notAuthenticated, "profile '\(profileName)' is logged in at \(stored.url), not at \(client.address)",
                advice: "martlet login --url \(client.address) --profile <another name>", reason: "not-logged-in")
        }
        return try await session.accessToken()
    }

    // MARK: As a thing

    /// The key to speak with: as given, or `MARTLET_KEY`, or the stored one of the thing, or the only stored one.
    /// - Returns: nil where there is none and none was named.
    func key(_ given: String?, thing: String?) throws -> String? {
        if let given { return given }
        let profile = try profile()
        if let thing {
            guard let stored = profile?.key(of: thing) else {
                throw CommandFailure.usage(
                    "no key of '\(thing)' is stored in profile '\(profileName)'",
                    advice: "give it with MARTLET_KEY or --key, or make a new one: martlet things rotate-key \(thing)")
            }
            return stored.key
        }
        if let key = Self.variable("MARTLET_KEY", environment) { return key }
        guard let keys = profile?.keys, keys.count == 1 else { return nil }
        return keys[0].key
    }

    /// As ``key(_:thing:)``, where it takes a key.
    func requiredKey(_ given: String?, thing: String?) throws -> String {
        if let key = try key(given, thing: thing) { return key }
        let names = try profile()?.keys.map { $0.name.isEmpty ? $0.thing : $0.name } ?? []
        throw CommandFailure(
            .notAuthenticated, "which thing speaks? \(names.isEmpty ? "No key is" : "Several keys are") stored",
            advice: names.isEmpty
                ? "make a thing (martlet things create <name>), or give a key with MARTLET_KEY or --key"
                : "name one with --thing: \(names.sorted().joined(separator: ", "))",
            reason: "no-key")
    }
}
