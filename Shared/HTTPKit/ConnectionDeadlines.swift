// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// How long a client may take: whoever is slower must not hold one of a service's connections (``HTTPLimits/connections``).
public struct ConnectionDeadlines: Sendable {
    /// A connection that is silent, or whose request's head is not complete, for so long is closed.
    public var idle: TimeAmount
    /// From the head of a request to the end of its body, however many bytes come meanwhile.
    public var body: TimeAmount
    /// An answer of which the client takes nothing for so long is given up.
    public var answer: TimeAmount

    public init(
        idle: TimeAmount = .seconds(HTTPLimits.idleSeconds), body: TimeAmount = .seconds(HTTPLimits.requestBodySeconds),
        answer: TimeAmount = .seconds(HTTPLimits.answerSeconds)
    ) {
        self.idle = idle
        self.body = body
        self.answer = answer
    }
}
