// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import NIOCore
import NIOSSL

/// Who the client is: its key, its certificate, or both.
extension Connection {
    /// Why a client is refused before anybody is asked about it.
    struct ProofRefusal: Error {
        let reason: ReasonCode
        let slug: String
        let text: String
    }

    /// What the client shows. User name: the thing's identifier (another text is not looked at, as with HTTP Basic); password: its key. With a client
    /// certificate neither is needed, and both must agree with it.
    func proof(_ connect: Connect) throws(ProofRefusal) -> ClientProof {
        let claimed = connect.userName.flatMap { ThingID($0) }
        let credential = try Self.credential(connect, claimed)
        guard let certificate = try clientCertificate() else {
            // The handshake sees to it; a key alone must never be enough, whatever becomes of that.
            guard !listener.isTLS || !broker.operators.requiresCertificate else {
                throw ProofRefusal(
                    reason: .notAuthorized, slug: "certificate-missing", text: "a client certificate is needed")
            }
            guard let credential else {
                throw ProofRefusal(
                    reason: .badUserNameOrPassword, slug: "bad-user-name-or-password",
                    text: "the thing's identifier as user name and its key as password are needed")
            }
            return .key(credential)
        }
        guard certificate.expiresAt > broker.now else {
            throw ProofRefusal(
                reason: .notAuthorized, slug: "certificate-expired", text: "the client certificate has expired")
        }
        guard let thing = certificate.thing else {
            throw ProofRefusal(
                reason: .notAuthorized, slug: "certificate-without-thing",
                text: "the client certificate names no thing, by a URI urn:uuid:<identifier> or its common name")
        }
        guard claimed == nil || claimed == thing else { throw .anotherThing }
        certificateExpiresAt = certificate.expiresAt
        return credential.map { .both(thing, $0) } ?? .certificate(thing)
    }

    private static func credential(_ connect: Connect, _ claimed: ThingID?) throws(ProofRefusal) -> Credential? {
        guard let password = connect.password, !password.isEmpty else { return nil }
        guard password.count <= Credential.maximumKeyBytes, let key = String(validating: password, as: UTF8.self)
        else {
            throw ProofRefusal(
                reason: .badUserNameOrPassword, slug: "bad-user-name-or-password",
                text: "the password is no key of a thing")
        }
        return Credential(key: key, claimedThing: claimed)
    }

    /// The certificate that the client showed and TLS verified; nil: it showed none.
    private func clientCertificate() throws(ProofRefusal) -> ClientCertificate? {
        guard listener.isTLS,
            let handler = try? context?.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self),
            let certificate = handler.peerCertificate
        else { return nil }
        guard let der = try? certificate.toDERBytes(), let read = try? ClientCertificate(der: der) else {
            throw ProofRefusal(
                reason: .notAuthorized, slug: "certificate-unreadable", text: "the client certificate cannot be read")
        }
        return read
    }

    /// Ends the connection with the thing, and with what it showed.
    func watch(_ identity: ThingIdentity, _ proof: ClientProof) {
        let bound = NIOLoopBound(self, eventLoop: broker.eventLoop)
        let end: @Sendable (ServiceError) -> Void = { error in
            bound.eventLoop.execute { bound.value.end(.notAuthorized, error.message) }
        }
        switch proof {
        case .key(let credential), .both(_, let credential):
            watch = broker.authenticator.watch(identity, credential: credential, onEnd: end)
        case .certificate: watch = broker.authenticator.watch(certified: identity, onEnd: end)
        }
    }
}

extension Connection.ProofRefusal {
    fileprivate static let anotherThing = Connection.ProofRefusal(
        reason: .notAuthorized, slug: "certificate-of-another-thing",
        text: "the client certificate and the user name are of different things")
}

extension ServiceError {
    private static let certificateOfAnotherThing = ServiceError(
        .forbidden, reason: "certificate-of-another-thing",
        "The client certificate and the key are of different things.")

    /// What the answer about a key means for a client that also showed a certificate.
    static func check(
        _ result: Result<ThingIdentity, ServiceError>, certified thing: ThingID
    ) -> Result<ThingIdentity, ServiceError> {
        result.flatMap { $0.thing == thing ? .success($0) : .failure(certificateOfAnotherThing) }
    }
}
