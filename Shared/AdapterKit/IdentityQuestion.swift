// SPDX-License-Identifier: Apache-2.0
import Core

/// What `things` is asked to find out who a thing is.
enum IdentityQuestion: Sendable {
    /// Whose key it is.
    case key(KeyFingerprint, KeyHash)
    /// Whether a thing that has shown who it is without a key is there and enabled.
    case thing(KeyFingerprint, ThingID)
    /// Whether a thing that has shown who it is by a pre-shared key is there and enabled, and has that version of the key still.
    case preSharedKey(KeyFingerprint, ThingID, version: Int64)

    /// By which the answer is remembered.
    var fingerprint: KeyFingerprint {
        switch self {
        case .key(let fingerprint, _), .thing(let fingerprint, _), .preSharedKey(let fingerprint, _, _): fingerprint
        }
    }
}
