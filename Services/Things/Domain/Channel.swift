// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// Where things publish to and subscribe from.
struct Channel: Sendable, Equatable {
    let id: ChannelID
    let domain: DomainID
    /// The group that it is in.
    var parent: GroupID?
    /// A name for paths and topics in place of the identifier, unique in the domain.
    var route: String?
    var attributes: Attributes
    var isEnabled: Bool
    /// Nanoseconds since 1970, like ``updatedAt``.
    let createdAt: Int64
    let createdBy: UserID?
    var updatedAt: Int64
    var updatedBy: UserID?
}

/// What a client says of a channel that is to be created.
struct ChannelDraft: Sendable, Equatable {
    var id: ChannelID?
    var route: String?
    var parent: GroupID?
    var attributes: Attributes

    /// - Throws: `unprocessable` unless the route can stand in a path: 1 to 128 of `A-Z a-z 0-9 - _`, and not like a UUID.
    static func checkRoute(_ route: String) throws(ServiceError) {
        guard case .route? = ChannelReference(route) else {
            throw ServiceError(
                .unprocessable, reason: "invalid-route",
                "'route' must be 1 to \(ChannelReference.maximumRouteBytes) letters, digits, '-' or '_', and no UUID")
        }
    }
}

/// A channel's route in a change: absent, taken away, or set.
enum RouteChange: Sendable, Equatable {
    case unchanged
    case removed
    case set(String)
}
