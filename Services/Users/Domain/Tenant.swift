// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// A domain: what belongs together and is administrated together. Called a tenant in the code, where `Domain` means too much.
struct Tenant: Sendable, Equatable {
    enum Status: String, Sendable, CaseIterable {
        case enabled
        /// Switched off by its administrators: nobody acts in it until they enable it.
        case disabled
        /// Switched off by the installation's administrator; its own cannot undo that.
        case frozen
    }

    var id: DomainID
    var name: String
    /// A readable name for topics and paths, unique in the installation.
    var route: String?
    var tags: [String]
    var metadata: JSONValue
    var status: Status
    var createdBy: UserID
    /// Nanoseconds since 1970.
    var createdAt: Int64
    var updatedAt: Int64
}

/// What can be changed of a domain; nil leaves it as it is.
struct TenantChanges: Sendable {
    var name: String?
    var route: String?
    var tags: [String]?
    var metadata: JSONValue?
}
