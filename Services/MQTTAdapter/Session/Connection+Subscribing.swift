// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import DequeModule
import Messaging
import Observability

/// SUBSCRIBE and UNSUBSCRIBE (MQTT 5 sections 3.8 to 3.11).
extension Connection {
    /// One filter of a SUBSCRIBE, as far as it has been judged.
    private enum Judgement {
        case granted(SubscriptionPath, Grant?)
        case refused(ReasonCode, String)
    }

    func subscribe(_ packet: Subscribe, _ session: Session) -> Step {
        guard broker.feedRuns(for: self), broker.keepsUp(for: self, isNeeded: session.isPersistent) else {
            return .waits
        }
        guard let judgements = judge(packet) else { return .waits }
        answers.removeAll()
        var reasons: [ReasonCode] = []
        var text: String?
        var added: [(subscription: Subscription, isNew: Bool)] = []
        for (request, judgement) in zip(packet.requests, judgements) {
            switch judgement {
            case .refused(let reason, let words):
                broker.metrics.refused("subscribe-" + reason.name.replacing(" ", with: "-"))
                reasons.append(reason)
                text = text ?? words
            case .granted(let path, let grant):
                let isNew = session.subscriptions[request.filter.text] == nil
                guard !isNew || session.subscriptions.count < broker.limits.maximumSubscriptions else {
                    reasons.append(.quotaExceeded)
                    continue
                }
                let subscription = Subscription(
                    session: session, filter: request.filter, path: path, options: request.options,
                    identifier: packet.properties.subscriptionIdentifiers.first ?? 0,
                    found: grant.map { ($0.channel, $0.domain) }, from: broker.lastAcknowledged)
                broker.add(subscription, grant)
                added.append((subscription, isNew))
                reasons.append(Self.granted(request.options.maximumQoS))
            }
        }
        var acknowledgement = SubscriptionAcknowledgement(packetIdentifier: packet.packetIdentifier, reasons: reasons)
        acknowledgement.properties.reasonString = text
        broker.whenKept(session, self) { [added] connection in connection.subscribed(acknowledgement, added) }
        return .taken
    }

    private func subscribed(
        _ acknowledgement: SubscriptionAcknowledgement, _ added: [(subscription: Subscription, isNew: Bool)]
    ) {
        guard write(.subAck(acknowledgement)) else { return }
        for (subscription, isNew) in added where subscription.filter.shareName == nil {
            switch subscription.options.retainHandling {
            case .send: broker.deliverRetained(to: subscription)
            case .sendIfNew: if isNew { broker.deliverRetained(to: subscription) }
            case .doNotSend: break
            }
        }
        broker.flushSoon()
    }

    private static func granted(_ qos: QualityOfService) -> ReasonCode {
        switch qos {
        case .atMostOnce: .success
        case .atLeastOnce: .grantedQoS1
        case .exactlyOnce: .grantedQoS2
        }
    }

    /// - Returns: nil while `things` is asked about some of them.
    private func judge(_ packet: Subscribe) -> [Judgement]? {
        guard let identity else { return [] }
        var judgements: [Judgement] = []
        var unknown: Set<Question> = []
        for request in packet.requests {
            let maySeeSystem = broker.maySeeSystem(identity)
            if let refusal = ReservedTopics.refusal(
                subscribing: request.filter, by: identity.thing, maySeeSystem: maySeeSystem)
            {
                judgements.append(.refused(refusal.reason, refusal.text))
                continue
            }
            do throws(SubscriptionError) {
                let path = try SubscriptionPath(request.filter.pattern, domain: identity.domain)
                guard case .channel(let address) = path.reach else {
                    judgements.append(.granted(path, nil))
                    continue
                }
                let question = Question(channel: address, right: .subscribe)
                switch known(identity, question) {
                case .allowed(let grant): judgements.append(.granted(path, grant))
                case .refused(let error):
                    judgements.append(.refused(ReasonCode(subscribing: error), error.message))
                case .ask:
                    unknown.insert(question)
                    judgements.append(.granted(path, nil))
                }
            } catch {
                judgements.append(.refused(error.reason, error.text))
            }
        }
        guard !unknown.isEmpty else { return judgements }
        ask(identity, Array(unknown))
        return nil
    }

    private func known(_ identity: ThingIdentity, _ question: Question) -> AccessDecision {
        let decision = broker.authenticator.decide(identity, on: question.channel, right: question.right)
        guard case .ask = decision else { return decision }
        return switch answers[question] {
        case .success(let grant): .allowed(grant)
        case .failure(let error): .refused(error)
        case nil: .ask
        }
    }

    func unsubscribe(_ packet: Unsubscribe, _ session: Session) -> Step {
        guard broker.keepsUp(for: self, isNeeded: session.isPersistent) else { return .waits }
        var reasons: [ReasonCode] = []
        for filter in packet.filters {
            guard let subscription = session.subscriptions[filter.text] else {
                reasons.append(.noSubscriptionExisted)
                continue
            }
            broker.remove(subscription)
            if filter.shareName != nil {
                for outgoing in session.takeWaiting(by: ExactText(filter.text)) { broker.leave(outgoing) }
            }
            reasons.append(.success)
        }
        let acknowledgement = SubscriptionAcknowledgement(packetIdentifier: packet.packetIdentifier, reasons: reasons)
        broker.whenKept(session, self) { connection in connection.write(.unsubAck(acknowledgement)) }
        return .taken
    }
}

extension ReasonCode {
    /// How a refused filter is answered: one of those that SUBACK may have (MQTT 5 table 3-8).
    init(subscribing error: ServiceError) {
        switch error.kind {
        case .unauthenticated, .forbidden: self = .notAuthorized
        case .notFound, .malformed: self = .topicFilterInvalid
        case .tooManyRequests: self = .quotaExceeded
        case .unavailable: self = .implementationSpecificError
        case .conflict, .payloadTooLarge, .unsupportedMediaType, .unprocessable, .internalFailure:
            self = .unspecifiedError
        }
    }
}
