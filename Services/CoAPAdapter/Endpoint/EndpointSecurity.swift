// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core

/// What DTLS and TLS need.
struct EndpointSecurity: Sendable {
    /// The server's certificate and its key, PEM files.
    struct Certificate: Sendable, Equatable {
        var certificateFile: String
        var keyFile: String
        /// The authorities whose client certificates are taken, PEM; nil: none are asked for, and clients show who they are by a key.
        var clientAuthorityFile: String?
    }

    /// The key whose identity these bytes are; called on the endpoint's thread, within a handshake.
    var findKey: @Sendable (UnsafeRawBufferPointer) -> PreSharedKey?
    var certificate: Certificate?
}

/// By what the other side of a security association has shown which thing it is.
package enum SecureProof: Sendable, Equatable {
    case preSharedKey(PreSharedKey)
    case certificate(ClientCertificate)

    package var thing: ThingID? {
        switch self {
        case .preSharedKey(let key): key.thing
        case .certificate(let certificate): certificate.thing
        }
    }
}
