// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import DequeModule
import NIOCore

/// Questions to `things` about rights, so many at a time: a fleet that comes back at once asks about everything at once, and waits instead of being refused
/// because more is asked than `things` answers.
extension Broker {
    /// Below what ``ThingAuthenticator`` takes at a time, so that none of them is refused.
    private static let askedAtOnce = 256

    struct RightQuestion {
        let identity: ThingIdentity
        let question: Connection.Question
        let completion: (Result<Grant, ServiceError>) -> Void
    }

    /// Asks `things`; what waits is bounded by what asks: one packet of each connection, and subscriptions.
    ///
    /// - Parameter completion: called once, on this event loop, after this has returned.
    func ask(
        _ identity: ThingIdentity, _ question: Connection.Question,
        _ completion: @escaping (Result<Grant, ServiceError>) -> Void
    ) {
        rightQuestions.append(RightQuestion(identity: identity, question: question, completion: completion))
        askNext()
    }

    private func askNext() {
        while rightsAsked < Self.askedAtOnce, let next = rightQuestions.popFirst() {
            rightsAsked += 1
            let bound = NIOLoopBound((self, next.completion), eventLoop: eventLoop)
            let eventLoop = eventLoop
            authenticator.ask(next.identity, on: next.question.channel, right: next.question.right) { result in
                eventLoop.execute {
                    let (broker, completion) = bound.value
                    broker.rightsAsked -= 1
                    completion(result)
                    broker.askNext()
                }
            }
        }
    }
}
