// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core

// Who the other side of a security association is, once for all of its requests.
extension Gateway {
    /// A thing that has shown who it is without a key.
    struct ProvenSession {
        let identity: ThingIdentity
        let watch: LiveSession
        /// Why it is nobody any more.
        var end: ServiceError?
    }

    /// Finds out who it is, by what it has shown when the association was made.
    func identify(
        _ session: UInt64, _ proof: SecureProof, completion: @escaping (Result<ThingIdentity, ServiceError>) -> Void
    ) {
        if let known = proven[session] {
            return completion(known.end.map { .failure($0) } ?? .success(known.identity))
        }
        let inbox = loop.inbox
        let bound = ThreadBound((self, completion), inbox)
        let found: @Sendable (Result<ThingIdentity, ServiceError>) -> Void = { result in
            inbox.execute {
                let (gateway, completion) = bound.value
                completion(gateway.keep(result, session, proof))
            }
        }
        switch proof {
        case .preSharedKey(let key): environment.authenticator.identify(preShared: key, completion: found)
        case .certificate(let certificate):
            guard let thing = certificate.thing else { return completion(.failure(.namesNoThing)) }
            environment.authenticator.identify(thing, completion: found)
        }
    }

    private func keep(
        _ result: Result<ThingIdentity, ServiceError>, _ session: UInt64, _ proof: SecureProof
    ) -> Result<ThingIdentity, ServiceError> {
        guard case .success(let identity) = result, proven[session] == nil, loop.proofs[session] != nil else {
            return result
        }
        let inbox = loop.inbox
        let bound = bound
        let onEnd: @Sendable (ServiceError) -> Void = { error in
            inbox.execute { bound.value.disproved(session, error) }
        }
        let watch =
            switch proof {
            case .preSharedKey(let key):
                environment.authenticator.watch(preShared: key, identity: identity, onEnd: onEnd)
            case .certificate: environment.authenticator.watch(certified: identity, onEnd: onEnd)
            }
        proven[session] = ProvenSession(identity: identity, watch: watch)
        return result
    }

    /// The thing or what it has shown is gone: the association is good for nothing any more, and neither are its observations.
    private func disproved(_ session: UInt64, _ error: ServiceError) {
        guard proven[session] != nil else { return }
        proven[session]?.end = error
        for observer in observers.all where observer.key.session == session { revoked(observer.id, error) }
    }

    func sessionEnded(_ session: UInt64) { proven.removeValue(forKey: session)?.watch.cancel() }
}

extension ServiceError {
    static let namesNoThing = ServiceError(
        .unauthenticated, reason: "certificate-names-no-thing", "The certificate names no thing.")

    static let certificateExpired = ServiceError(
        .unauthenticated, reason: "certificate-expired",
        "The certificate with which the connection was made has expired.")
}
