// SPDX-License-Identifier: Apache-2.0
import Core

/// Why a thing is refused; the reasons are stable, counters and problem types are named by them.
extension ServiceError {
    static let unknownKey = ServiceError(
        .unauthenticated, reason: "unknown-key", "No enabled thing has this key.")

    static let keyOfAnotherThing = ServiceError(
        .unauthenticated, reason: "key-of-another-thing", "The key does not belong to the thing that is named.")

    static let unknownThing = ServiceError(
        .forbidden, reason: "unknown-thing", "There is no enabled thing of the name that the certificate has.")

    static let unknownPreSharedKey = ServiceError(
        .unauthenticated, reason: "unknown-psk", "No enabled thing has this pre-shared key any more.")

    /// Absent, disabled and foreign channels are not told apart, so that identifiers cannot be probed.
    static let unknownChannel = ServiceError(
        .notFound, reason: "unknown-channel", "There is no such channel for this thing.")

    static let disabledDomain = ServiceError(
        .forbidden, reason: "domain-disabled", "The thing's domain is disabled: its things may do nothing now.")

    static func notAllowed(_ right: AccessRight) -> ServiceError {
        switch right {
        case .publish:
            ServiceError(.forbidden, reason: "publish-not-allowed", "The thing may not publish to this channel.")
        case .subscribe:
            ServiceError(.forbidden, reason: "subscribe-not-allowed", "The thing may not subscribe to this channel.")
        }
    }

    /// The question could not be put or answered: whether it is allowed is not known, so it is not.
    static func unanswered(_ error: ServiceError) -> ServiceError {
        ServiceError(
            .unavailable, reason: "things-unavailable",
            "Whether this is allowed cannot be found out at the moment; try again.",
            detail: "\(error.reason): \(error.detail ?? error.message)", retryAfterSeconds: 1)
    }

    static let tooManyQuestions = ServiceError(
        .unavailable, reason: "authorization-queue-full",
        "Too many unknown credentials are waiting to be checked; try again.", retryAfterSeconds: 1)
}
