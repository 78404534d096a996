// SPDX-License-Identifier: Apache-2.0
import Core

/// Requests that a service refused, or failed to answer: published as JSON on `refusals.<service>`, by the services' HTTP side.
///
/// The first of its kind is published at once; what is the same in every member but the times within some seconds follows as one, with its count. So
/// a flood of refusals cannot fill the journal.
public struct RefusedRequest: Codable, Sendable, Equatable {
    public var id: EventID
    /// When the first of them was answered: nanoseconds since 1970.
    public var at: Int64
    /// When the last of them was answered.
    public var until: Int64
    /// How many they are; at least 1.
    public var count: Int
    public var service: String
    /// `GET`, `POST`, …
    public var method: String
    /// The route's template: what clients made up is not repeated.
    public var route: String
    /// HTTP status of the answer.
    public var status: Int
    /// The problem's reason; nil where the answer had none.
    public var reason: String?
    public var domain: DomainID?
    /// nil: nobody was recognised.
    public var actor: UserID?
    /// The identifiers in the path, in its order, and the user whose credentials were tried.
    public var entities: [EntityID]
    /// Of the first of them.
    public var origin: RequestOrigin

    public init(
        id: EventID, at: Int64, until: Int64, count: Int, service: String, method: String, route: String, status: Int,
        reason: String?, domain: DomainID?, actor: UserID?, entities: [EntityID], origin: RequestOrigin
    ) {
        self.id = id
        self.at = at
        self.until = until
        self.count = count
        self.service = service
        self.method = method
        self.route = route
        self.status = status
        self.reason = reason
        self.domain = domain
        self.actor = actor
        self.entities = entities
        self.origin = origin
    }

    public var subject: String { "refusals.\(service)" }
}
