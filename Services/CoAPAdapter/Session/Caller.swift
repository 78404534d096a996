// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core

/// Who asks.
enum Caller: Sendable {
    /// By `?auth=<key>`.
    case key(Credential)
    /// By the handshake of its security association.
    case proven(session: UInt64, SecureProof)
}

extension Gateway {
    /// - Throws: 4.01 when nothing says who it is.
    func caller(_ target: RequestTarget, _ request: CoAPRequest) throws(Refusal) -> Caller {
        if case .certificate(let certificate) = request.proof, certificate.expiresAt <= environment.clock.now() {
            throw Refusal(.certificateExpired)
        }
        switch (target.key, request.proof) {
        // A key beside a certificate or a pre-shared key must be the same thing's.
        case (let key?, let proof): return .key(Credential(key: key, claimedThing: proof?.thing))
        case (nil, let proof?): return .proven(session: request.session, proof)
        case (nil, nil):
            throw Refusal(.unauthorized, reason: "missing-credential", "A thing's key is needed: ?auth=<key>.")
        }
    }

    /// Finds out whether the caller may, from memory where that knows; else `completion` is called later, on the endpoint's thread.
    func authorize(
        _ caller: Caller, _ channel: ChannelAddress, _ right: AccessRight,
        completion: @escaping (Result<Grant, ServiceError>) -> Void
    ) {
        let authenticator = environment.authenticator
        switch caller {
        case .key(let credential):
            let request = AccessRequest(credential: credential, channel: channel, right: right)
            switch authenticator.decide(request) {
            case .allowed(let grant): completion(.success(grant))
            case .refused(let error): completion(.failure(error))
            case .ask: authenticator.ask(request, completion: onThread(completion))
            }
        case .proven(let session, let proof):
            identify(session, proof) { [self] result in
                switch result {
                case .failure(let error): completion(.failure(error))
                case .success(let identity):
                    switch authenticator.decide(identity, on: channel, right: right) {
                    case .allowed(let grant): completion(.success(grant))
                    case .refused(let error): completion(.failure(error))
                    case .ask:
                        authenticator.ask(identity, on: channel, right: right, completion: onThread(completion))
                    }
                }
            }
        }
    }

    private func onThread(
        _ completion: @escaping (Result<Grant, ServiceError>) -> Void
    ) -> @Sendable (Result<Grant, ServiceError>) -> Void {
        let inbox = loop.inbox
        let bound = ThreadBound(completion, inbox)
        return { result in inbox.execute { bound.value(result) } }
    }

    /// Has `onEnd` called, on any thread, when the right is gone. What a handshake has shown is watched for all of its session.
    func watch(
        _ caller: Caller, _ grant: Grant, _ reference: ChannelAddress, onEnd: @escaping @Sendable (ServiceError) -> Void
    ) -> LiveSession {
        switch caller {
        case .key(let credential):
            environment.authenticator.watch(grant, credential: credential, reference: reference, onEnd: onEnd)
        case .proven: environment.authenticator.watch(grant, reference: reference, onEnd: onEnd)
        }
    }
}

extension Refusal {
    /// Twins and commands come with their services.
    static let thingPath = Refusal(
        .notFound, reason: "thing-path", "Nobody serves a device's own resources (things/<id>/…) yet.")
}
