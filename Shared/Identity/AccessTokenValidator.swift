// SPDX-License-Identifier: Apache-2.0
import Core
import Crypto
import Foundation
import JWTKit

/// Why an access token is not accepted.
public enum AccessTokenFault: Error, Sendable, Equatable {
    case malformed
    /// Any algorithm but ours, `none` above all (RFC 8725 section 3.1).
    case algorithmNotAllowed
    /// Signed with a key that is not in the set: perhaps one that is newer than the set.
    case unknownKey
    case badSignature
    case expired
    case notYetValid
    case wrongIssuer
    case wrongAudience
    /// Says that it lives longer than any token may.
    case lifetimeTooLong
    case revoked
}

/// Judges access tokens by a set of public keys and the time of day. Pure: no I/O, no shared state.
public struct AccessTokenValidator: Sendable {
    /// How far two machines' clocks may differ.
    public static let leewaySeconds: Int64 = 5
    /// Header, claims and signature take about 600 bytes.
    static let maximumTokenBytes = 4 << 10

    private let keys: JWTKeyCollection
    private let identifiers: Set<String>

    /// Takes the usable keys of the set; the others are ignored.
    public init(_ set: PublicKeySet) async {
        let keys = JWTKeyCollection()
        var identifiers: Set<String> = []
        for key in set.keys where key.isUsable {
            guard let kid = key.kid, let x = key.x, let raw = Base64URL.decode(x),
                let publicKey = try? Curve25519.Signing.PublicKey(rawRepresentation: raw)
            else { continue }
            await keys.add(eddsa: EdDSA.PublicKey(backing: publicKey), kid: JWKIdentifier(string: kid))
            identifiers.insert(kid)
        }
        self.keys = keys
        self.identifiers = identifiers
    }

    private struct Header: Decodable {
        let alg: String
        let typ: String?
        let kid: String?
        let crit: [String]?
    }

    /// - Parameter now: nanoseconds since 1970.
    public func validate(_ token: String, now: Int64) async throws(AccessTokenFault) -> AccessTokenClaims {
        guard token.utf8.count <= Self.maximumTokenBytes else { throw .malformed }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let headerBytes = Base64URL.decode(parts[0]), Base64URL.decode(parts[1]) != nil,
            Base64URL.decode(parts[2]) != nil, let header = try? JSONDecoder().decode(Header.self, from: headerBytes)
        else { throw .malformed }
        // The header is an attacker's until the signature is checked: it may choose a key among ours and nothing else.
        guard header.alg == AccessTokenNames.algorithm else { throw .algorithmNotAllowed }
        guard header.typ?.lowercased() == AccessTokenNames.type, header.crit == nil else { throw .malformed }
        guard let kid = header.kid, identifiers.contains(kid) else { throw .unknownKey }
        let claims: AccessTokenClaims
        do {
            claims = try await keys.verify(token, as: AccessTokenClaims.self)
        } catch let error as JWTError where error.errorType == .signatureVerificationFailed {
            throw .badSignature
        } catch {
            throw .malformed
        }
        try Self.check(claims, seconds: now / 1_000_000_000)
        return claims
    }

    private static func check(_ claims: AccessTokenClaims, seconds: Int64) throws(AccessTokenFault) {
        guard claims.iss == AccessTokenNames.issuer else { throw .wrongIssuer }
        guard claims.aud == AccessTokenNames.audience else { throw .wrongAudience }
        let (expiry, expiryOverflow) = claims.exp.addingReportingOverflow(leewaySeconds)
        let (begin, beginOverflow) = claims.nbf.subtractingReportingOverflow(leewaySeconds)
        let (lifetime, lifetimeOverflow) = claims.exp.subtractingReportingOverflow(claims.iat)
        guard !expiryOverflow, !beginOverflow, !lifetimeOverflow else { throw .malformed }
        guard lifetime <= AccessTokenClaims.maximumLifetimeSeconds else { throw .lifetimeTooLong }
        guard seconds < expiry else { throw .expired }
        guard seconds >= begin else { throw .notYetValid }
    }
}
