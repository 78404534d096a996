// SPDX-License-Identifier: Apache-2.0
import Core

/// A mail that waits to be sent.
struct QueuedMail: Sendable, Equatable {
    enum Kind: String, Sendable {
        case passwordReset = "password-reset"
        case passwordChanged = "password-changed"
        case identityChanged = "identity-changed"
        case userRemoved = "user-removed"
        case invitation
    }

    var id: EventID
    var kind: Kind
    var recipient: String
    /// An invitation's identifier.
    var subject: EventID?
    /// Nanoseconds since 1970.
    var createdAt: Int64
    /// The one that is being made included.
    var attempts: Int64
    /// How often the server refused the recipient.
    var refusals: Int64
}

/// Bounds of the queue of mails.
enum MailLimits {
    /// Mails that wait, about 300 bytes each; further ones are refused, notices dropped.
    static let queueLength: Int64 = 10_000
    /// A mail that could not be delivered for a day is given up.
    static let maximumAgeNanoseconds: Int64 = 86_400 * 1_000_000_000
    /// A server that refuses a recipient so often will not change its mind; once might be a setting that is being mended.
    static let maximumRefusals: Int64 = 3
    /// Mails taken at a time by an instance.
    static let batch: Int64 = 8
    /// How long an instance that took mails has for them before another one takes them: a batch of transfers at their longest, and some.
    static let leaseNanoseconds: Int64 = 300 * 1_000_000_000
    /// Wait after the first failure; it doubles up to ten minutes.
    static let firstRetryNanoseconds: Int64 = 2 * 1_000_000_000
    static let longestRetryNanoseconds: Int64 = 600 * 1_000_000_000
    /// Requests for a new password: for one identity, and of one address.
    static let resetsPerIdentityPerHour = 5
    static let resetsPerAddressPerHour = 60

    /// - Parameter attempts: those that have failed, at least 1.
    static func retryNanoseconds(afterAttempts attempts: Int64) -> Int64 {
        // Nine doublings of two seconds pass ten minutes.
        min(longestRetryNanoseconds, firstRetryNanoseconds << (min(max(attempts, 1), 10) - 1))
    }
}
