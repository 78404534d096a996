// SPDX-License-Identifier: Apache-2.0

/// The domain that a session or a key acts in.
extension CommandContext {
    /// - Throws: ``CommandFailure`` where it acts in none, or where a key's domain cannot be found out.
    func currentDomain() async throws -> String {
        let credential = try await personAuthorization().dropFirst("Bearer ".count)
        if let claims = AccessToken(String(credential))?.claims {
            guard let domain = claims["dom"]?.text else {
                throw CommandFailure(
                    .refused, "you are logged in to no domain", advice: "choose one: martlet domains use <domain>",
                    reason: "no-domain")
            }
            return domain
        }
        if let profile = try profile(), let domain = profile.domain, profile.apiKey == String(credential) {
            return domain
        }
        let user = try await person(APIRequest(.get, "/users/profile")).json()
        return try await Self.domain(ofKeyOf: user, named: nil) { try await person($0) }
    }

    /// A key acts in one domain and does not say in which: there it is let in or forbidden, any other domain does not exist for it.
    ///
    /// - Parameters:
    ///   - user: the document of the key's user.
    ///   - named: the identifier to look at; nil: the user's own domain.
    ///   - send: with the key.
    static func domain(
        ofKeyOf user: JSONValue, named: String?, send: (APIRequest) async throws -> APIResponse
    ) async throws -> String {
        let unknown = CommandFailure.usage(
            named.map { "the key is for another domain than \($0)" } ?? "the key's domain is not its owner's own",
            advice: "say the one it is for by its identifier: --domain <id>")
        guard let domain = named ?? user["default_domain"]?.text else { throw unknown }
        do {
            _ = try await send(APIRequest(.get, "/domains/\(PercentEncoding.encode(domain))"))
        } catch let failure as CommandFailure where failure.httpStatus == 403 {
            return domain
        } catch let failure as CommandFailure where failure.httpStatus == 404 {
            throw unknown
        }
        return domain
    }
}
