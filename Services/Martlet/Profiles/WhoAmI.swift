// SPDX-License-Identifier: Apache-2.0

/// The person as the server knows them, and the domain and role that the session has.
struct WhoAmI {
    let context: CommandContext

    func show() async throws {
        let user = try await context.person(APIRequest(.get, "/users/profile")).json()
        let authorization = try await context.personAuthorization()
        let claims = AccessToken(String(authorization.dropFirst("Bearer ".count)))?.claims
        // Without claims it is a key, and its domain may be unknown here: whoever asks who they are is not refused for that.
        let domain = try await claims == nil ? keyDomain() : claims?["dom"]?.text
        var name: String?
        if let domain {
            let answer = try? await context.person(APIRequest(.get, "/domains/\(PercentEncoding.encode(domain))"))
            name = try answer?.json()["name"]?.text
        }
        let role = claims?["role"]?.text
        if context.console.isJSON {
            let members = user.members ?? []
            context.console.print(
                .object(
                    members + [
                        JSONValue.Member("profile", .string(context.profileName)),
                        JSONValue.Member("url", .string(context.client.address.description)),
                        JSONValue.Member("domain_id", domain.map(JSONValue.string) ?? .null),
                        JSONValue.Member("domain_role", role.map(JSONValue.string) ?? .null),
                        JSONValue.Member("by_key", .bool(claims == nil)),
                    ]))
            return
        }
        context.console.printFields([
            ("identity", user["credentials"]?["identity"]?.text), ("name", user["name"]?.text),
            ("user", user["id"]?.text),
            ("domain", [name, domain.map { "(\($0))" }].compactMap { $0 }.joined(separator: " ")),
            ("role", role), ("login", claims == nil ? "by a key" : nil),
            ("platform", user["role"]?.text == "admin" ? "administrator" : nil),
            ("server", context.client.address.description), ("profile", context.profileName),
        ])
    }

    private func keyDomain() async throws -> String? {
        do { return try await context.currentDomain() } catch let failure as CommandFailure
            where failure.status == .usage
        {
            return nil
        }
    }
}
