// SPDX-License-Identifier: Apache-2.0
import Core

/// The limits that an adapter puts on what an authorized thing sends.
///
/// Both tables of buckets are bounded (200,000 each); nil means no limit of that kind.
public final class IngestPolicy: Sendable {
    /// One message's payload, at most ``Limits/payloadBytes``.
    public let maximumPayloadBytes: Int
    private let things: RateLimiter<ThingID>?
    private let domains: RateLimiter<DomainID>?

    public convenience init(
        maximumPayloadBytes: Int = Limits.payloadBytes, perThing: RateLimit? = nil, perDomain: RateLimit? = nil
    ) {
        self.init(
            maximumPayloadBytes: maximumPayloadBytes, perThing: perThing, perDomain: perDomain, clock: .monotonic)
    }

    init(maximumPayloadBytes: Int, perThing: RateLimit?, perDomain: RateLimit?, clock: WallClock) {
        self.maximumPayloadBytes = min(maximumPayloadBytes, Limits.payloadBytes)
        things = perThing.map { RateLimiter($0, clock: clock) }
        domains = perDomain.map { RateLimiter($0, clock: clock) }
    }

    /// - Throws: `payloadTooLarge` (`payload-too-large`); call it as soon as the size is known, before the body is read.
    public func checkSize(_ payloadBytes: Int) throws(ServiceError) {
        guard payloadBytes <= maximumPayloadBytes else {
            throw ServiceError(
                .payloadTooLarge, reason: "payload-too-large",
                "The message is larger than the \(maximumPayloadBytes) bytes that are accepted.")
        }
    }

    /// Whether ``checkRate(_:)`` may refuse anything.
    public var limitsRates: Bool { things != nil || domains != nil }

    /// Draws one message from the thing's bucket and its domain's.
    ///
    /// A message that the domain's bucket refuses has drawn on the thing's all the same: who floods a spent domain is slowed first.
    /// - Throws: `tooManyRequests` (`thing-rate-limit`, `domain-rate-limit`) with the seconds to wait.
    public func checkRate(_ grant: Grant) throws(ServiceError) {
        if let seconds = things?.draw(grant.thing) {
            throw ServiceError(
                .tooManyRequests, reason: "thing-rate-limit", "The thing sends more messages than it may.",
                retryAfterSeconds: seconds)
        }
        if let seconds = domains?.draw(grant.domain) {
            throw ServiceError(
                .tooManyRequests, reason: "domain-rate-limit", "The domain's things send more messages than they may.",
                retryAfterSeconds: seconds)
        }
    }
}
