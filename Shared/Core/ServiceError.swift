// SPDX-License-Identifier: Apache-2.0

/// What a service refuses and why, before any transport gives it a shape.
///
/// Each transport maps `kind` exhaustively next to its own code (HTTP in HTTPKit, CoAP and MQTT in their adapters).
public struct ServiceError: Error, Sendable, Equatable {
    /// The classes of refusal that every transport can express.
    public enum Kind: String, Sendable, CaseIterable {
        /// The request cannot be understood: syntax, a missing or unusable parameter.
        case malformed
        /// Who is asking is not known, or the proof is not good (any more).
        case unauthenticated
        /// Who is asking is known and may not.
        case forbidden
        case notFound
        case conflict
        case payloadTooLarge
        case unsupportedMediaType
        /// Understood, but against a rule of the domain.
        case unprocessable
        /// A rate limit; see `retryAfterSeconds`.
        case tooManyRequests
        /// Nothing wrong with the request: a dependency is away or a budget is spent; see `retryAfterSeconds`.
        case unavailable
        /// A fault of ours; `detail` goes to the log, never to the client.
        case internalFailure
    }

    public let kind: Kind
    /// A stable slug for counters and problem types: `senml-reserved-label`, `unknown-channel`, …
    public let reason: String
    /// What to tell the client: one sentence, no secrets, says how to mend it where that is known.
    public let message: String
    /// For the log only.
    public let detail: String?
    /// Seconds after which a retry makes sense; set for `tooManyRequests` and `unavailable`.
    public let retryAfterSeconds: Int?

    public init(
        _ kind: Kind, reason: String, _ message: String, detail: String? = nil, retryAfterSeconds: Int? = nil
    ) {
        self.kind = kind
        self.reason = reason
        self.message = message
        self.detail = detail
        self.retryAfterSeconds = retryAfterSeconds
    }
}
