// SPDX-License-Identifier: Apache-2.0
import Core
import JWTKit

/// What an access token says (RFC 9068 without its OAuth-only claims). Times are Unix seconds.
public struct AccessTokenClaims: JWTPayload, Equatable {
    /// The longest life of an access token. It bounds how long a revocation has to be remembered.
    public static let maximumLifetimeSeconds: Int64 = 3_600

    public var iss: String
    public var aud: String
    /// The user.
    public var sub: UserID
    /// The session, which is what a revocation names.
    public var sid: SessionID
    /// The domain it acts in.
    public var dom: DomainID?
    /// The user's role in that domain.
    public var role: Role
    /// Administrator of the installation.
    public var adm: Bool?
    /// The actions of the user in that domain, where they are more than the role's; bounded by ``Action/catalogue``. Who does not know this
    /// claim goes by the role and grants too little, never too much.
    public var act: [Action]?
    public var iat: Int64
    public var nbf: Int64
    public var exp: Int64
    public var jti: String

    public var principal: Principal {
        Principal(
            user: sub, session: sid, domain: dom, role: role, isPlatformAdmin: adm ?? false,
            grants: act.map { Grants(Set($0)) })
    }

    /// The claims are judged by ``AccessTokenValidator``, which has a clock that tests can set; here there is nothing to do.
    public func verify(using _: some JWTAlgorithm) async throws {}
}

/// Names that issuer and verifiers share.
public enum AccessTokenNames {
    public static let issuer = "martlet/users"
    public static let audience = "martlet"
    /// RFC 9068 section 2.1: so that no other kind of token can be taken for an access token.
    public static let type = "at+jwt"
    /// Ed25519 (RFC 8037) and nothing else: signatures need no fresh randomness, verification has no parameters to get wrong, and a key is 32 bytes.
    public static let algorithm = "EdDSA"
}
