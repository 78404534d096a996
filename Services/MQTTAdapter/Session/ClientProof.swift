// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core

/// By what a client shows which thing it is.
enum ClientProof: Sendable {
    case key(Credential)
    case certificate(ThingID)
    /// The key must be that of the certificate's thing.
    case both(ThingID, Credential)
}
