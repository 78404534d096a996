// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// A person.
struct User: Sendable, Equatable {
    enum Status: String, Sendable, CaseIterable {
        case enabled
        case disabled
    }

    var id: UserID
    var name: String
    /// What the person logs in with: an e-mail address or a name. Compared without regard to case.
    var identity: String
    var tags: [String]
    var metadata: JSONValue
    /// May administrate the whole installation.
    var isAdmin: Bool
    var status: Status
    /// The domain that tokens act in when none is asked for.
    var defaultDomain: DomainID?
    /// Nanoseconds since 1970.
    var createdAt: Int64
    var updatedAt: Int64
}

/// What can be changed of a user; nil leaves it as it is.
struct UserChanges: Sendable {
    var name: String?
    var tags: [String]?
    var metadata: JSONValue?
}
