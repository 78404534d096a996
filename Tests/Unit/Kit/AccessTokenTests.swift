// SPDX-License-Identifier: Apache-2.0
import Core
import Crypto
import Foundation
import Identity
import Testing

/// Tokens that are good, and the known ways to forge one (RFC 8725).
@Suite struct AccessTokenTests {
    private let now: Int64 = 1_800_000_000_000_000_000
    private let key = SigningKey()
    private let principal = Principal(
        user: UserID.new(), session: SessionID.new(), domain: DomainID.new(), role: .editor, isPlatformAdmin: true)

    private func validator(_ keys: [SigningKey]? = nil) async -> AccessTokenValidator {
        await AccessTokenValidator(PublicKeySet(keys: (keys ?? [key]).map(\.publicKey)))
    }

    private func good() async throws -> String {
        try await AccessTokenIssuer(key: key, lifetimeSeconds: 900).issue(principal, now: now).token
    }

    /// Signs any header and claims, as an attacker with a key of his own, or a broken issuer, could.
    private func forge(
        header: [String: String]? = nil, changing changes: [String: any Sendable] = [:], with signer: SigningKey? = nil
    ) throws -> String {
        let seconds = now / 1_000_000_000
        var claims: [String: any Sendable] = [
            "iss": AccessTokenNames.issuer, "aud": AccessTokenNames.audience, "sub": principal.user.description,
            "sid": principal.session.description, "role": "editor", "iat": seconds, "nbf": seconds,
            "exp": seconds + 900, "jti": "x",
        ]
        claims.merge(changes) { _, new in new }
        let header = header ?? ["alg": "EdDSA", "typ": "at+jwt", "kid": key.id]
        let encodedHeader = Base64URL.encode(try JSONSerialization.data(withJSONObject: header))
        let encodedClaims = Base64URL.encode(try JSONSerialization.data(withJSONObject: claims))
        let signed = "\(encodedHeader).\(encodedClaims)"
        let secret = try Curve25519.Signing.PrivateKey(rawRepresentation: (signer ?? key).seed)
        return "\(signed).\(Base64URL.encode(try secret.signature(for: Data(signed.utf8))))"
    }

    @Test func aGoodTokenProvesItsPrincipal() async throws {
        let claims = try await validator().validate(good(), now: now)
        #expect(claims.principal == principal)
        #expect(try await validator().validate(forge(), now: now).principal.role == .editor)
    }

    @Test func anotherAlgorithmIsRefused() async throws {
        for algorithm in ["none", "None", "HS256", "ES256", "RS256", ""] {
            let token = try forge(header: ["alg": algorithm, "typ": "at+jwt", "kid": key.id])
            await #expect(throws: AccessTokenFault.algorithmNotAllowed) {
                try await validator().validate(token, now: now)
            }
        }
        // An unsigned token with the right header has an empty signature.
        let parts = try await good().split(separator: ".")
        await #expect(throws: (any Error).self) {
            try await validator().validate("\(parts[0]).\(parts[1]).", now: now)
        }
    }

    @Test func aForeignKeyIsRefused() async throws {
        let foreign = SigningKey()
        let underOurName = try forge(with: foreign)
        await #expect(throws: AccessTokenFault.badSignature) { try await validator().validate(underOurName, now: now) }
        let underItsOwn = try forge(header: ["alg": "EdDSA", "typ": "at+jwt", "kid": foreign.id], with: foreign)
        await #expect(throws: AccessTokenFault.unknownKey) { try await validator().validate(underItsOwn, now: now) }
        let withoutName = try forge(header: ["alg": "EdDSA", "typ": "at+jwt"])
        await #expect(throws: AccessTokenFault.unknownKey) { try await validator().validate(withoutName, now: now) }
    }

    @Test func aTamperedTokenIsRefused() async throws {
        let token = try await good()
        let parts = token.split(separator: ".").map(String.init)
        let other = try forge(changing: ["role": "admin"], with: SigningKey()).split(separator: ".").map(String.init)
        await #expect(throws: AccessTokenFault.badSignature) {
            try await validator().validate("\(parts[0]).\(other[1]).\(parts[2])", now: now)
        }
        // Any one changed character must end in a refusal of some kind, never in a principal.
        for index in token.indices where token[index] != "." {
            var changed = token
            changed.replaceSubrange(index...index, with: token[index] == "A" ? "B" : "A")
            await #expect(throws: AccessTokenFault.self) { try await validator().validate(changed, now: now) }
        }
    }

    @Test func timesAreKept() async throws {
        let token = try await good()
        let second: Int64 = 1_000_000_000
        _ = try await validator().validate(token, now: now + 904 * second)
        await #expect(throws: AccessTokenFault.expired) {
            try await validator().validate(token, now: now + 905 * second)
        }
        _ = try await validator().validate(token, now: now - 5 * second)
        await #expect(throws: AccessTokenFault.notYetValid) {
            try await validator().validate(token, now: now - 6 * second)
        }
        let eternal = try forge(changing: ["exp": now / second + 10_000])
        await #expect(throws: AccessTokenFault.lifetimeTooLong) { try await validator().validate(eternal, now: now) }
        for extreme in [Int64.max, Int64.min] {
            let token = try forge(changing: ["exp": extreme, "nbf": extreme, "iat": extreme])
            await #expect(throws: AccessTokenFault.self) { try await validator().validate(token, now: now) }
        }
    }

    @Test func anotherIssuerAudienceOrKindIsRefused() async throws {
        let issuer = try forge(changing: ["iss": "elsewhere"])
        await #expect(throws: AccessTokenFault.wrongIssuer) { try await validator().validate(issuer, now: now) }
        let audience = try forge(changing: ["aud": "elsewhere"])
        await #expect(throws: AccessTokenFault.wrongAudience) { try await validator().validate(audience, now: now) }
        let kind = try forge(header: ["alg": "EdDSA", "typ": "JWT", "kid": key.id])
        await #expect(throws: AccessTokenFault.malformed) { try await validator().validate(kind, now: now) }
    }

    @Test func garbageIsMalformed() async throws {
        for token in ["", ".", "..", "...", "a.b.c", "é.é.é", String(repeating: "A", count: 5_000), "e30.e30.e30"] {
            await #expect(throws: AccessTokenFault.self) { try await validator().validate(token, now: now) }
        }
    }

    @Test func aKeySetIsReadWithItsForeignKeysIgnored() async throws {
        let json = """
            {"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","kid":"b","x":"not base64 !"},
             {"kty":"oct","kid":"c"}]}
            """
        var set = try JSONDecoder().decode(PublicKeySet.self, from: Data(json.utf8))
        set.keys.append(key.publicKey)
        let token = try await good()
        _ = try await AccessTokenValidator(set).validate(token, now: now)
        #expect(try JSONDecoder().decode(PublicKeySet.self, from: JSONEncoder().encode(set)) == set)
    }

    @Test func theKeyIdentifierIsTheThumbprintOfRFC8037() throws {
        // RFC 8037 appendix A.1 to A.3.
        let seed = try #require(Base64URL.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
        #expect(try SigningKey(seed: seed).id == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    }
}
