// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import JWTKit

/// Signs access tokens; `users` has the only one.
public struct AccessTokenIssuer: Sendable {
    private let keys: JWTKeyCollection
    private let current: SigningKey
    private let lifetimeSeconds: Int64

    /// - Parameter lifetimeSeconds: 60 to ``AccessTokenClaims/maximumLifetimeSeconds``; what is outside is brought to the bound.
    public init(key: SigningKey, lifetimeSeconds: Int64) async throws {
        current = key
        self.lifetimeSeconds = min(max(lifetimeSeconds, 60), AccessTokenClaims.maximumLifetimeSeconds)
        keys = JWTKeyCollection()
        let backing = EdDSA.PrivateKey(backing: key.key)
        await keys.add(eddsa: backing, kid: JWKIdentifier(string: key.id))
    }

    public struct Issued: Sendable {
        public let token: String
        /// Unix seconds.
        public let expiresAt: Int64
    }

    /// - Parameter now: nanoseconds since 1970.
    public func issue(_ principal: Principal, now: Int64) async throws -> Issued {
        let seconds = now / 1_000_000_000
        let claims = AccessTokenClaims(
            iss: AccessTokenNames.issuer, aud: AccessTokenNames.audience, sub: principal.user, sid: principal.session,
            dom: principal.domain, role: principal.role, adm: principal.isPlatformAdmin ? true : nil,
            act: principal.grants.map { $0.actions.sorted() }, iat: seconds,
            nbf: seconds, exp: seconds + lifetimeSeconds, jti: EventID.new().description)
        var header = JWTHeader()
        header.typ = AccessTokenNames.type
        let token = try await keys.sign(claims, kid: JWKIdentifier(string: current.id), header: header)
        return Issued(token: token, expiresAt: claims.exp)
    }
}
