// SPDX-License-Identifier: Apache-2.0
import Core

extension ServiceError {
    /// What to tell the client: expiry and revocation are worth telling apart, the ways to forge are not.
    public init(fault: AccessTokenFault) {
        switch fault {
        case .expired:
            self.init(.unauthenticated, reason: "token-expired", "the access token has expired; refresh it")
        case .revoked:
            self.init(.unauthenticated, reason: "token-revoked", "the access token was withdrawn; log in again")
        case .notYetValid:
            self.init(
                .unauthenticated, reason: "token-not-yet-valid", "the access token is not valid yet; check the clock")
        case .malformed, .algorithmNotAllowed, .unknownKey, .badSignature, .wrongIssuer, .wrongAudience,
            .lifetimeTooLong:
            self.init(
                .unauthenticated, reason: "invalid-token", "the access token is not valid", detail: "\(fault)")
        }
    }
}
