// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What an access token says of itself; only the server can tell whether it is true.
struct AccessToken: Sendable {
    let claims: JSONValue

    /// - Returns: nil where it is no JWT (RFC 7519) in its compact form.
    init?(_ token: String) {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var payload = parts[1].replacing("-", with: "+").replacing("_", with: "/")
        payload += String(repeating: "=", count: (4 - payload.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: String(payload)), let claims = try? JSONParser.parse(Array(data)),
            claims.members != nil
        else { return nil }
        self.claims = claims
    }

    /// Unix seconds.
    var expiry: Double? { claims["exp"]?.double }

    /// Whether it should be replaced before it is used: nearly expired counts, as the clocks may differ.
    static func isSpent(_ token: String?, now: Double, margin: Double = 30) -> Bool {
        guard let token else { return true }
        guard let expiry = AccessToken(token)?.expiry else { return false }
        return expiry - margin <= now
    }
}
