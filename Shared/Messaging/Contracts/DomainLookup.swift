// SPDX-License-Identifier: Apache-2.0
import Core

/// Asks `users` which domain has a route now (`rpc.users.domain`).
///
/// A route can be given to another domain: whoever remembers the answer forgets it with every `events.users.domain.*` and every reconnect to the bus.
public struct DomainLookupRequest: Codable, Sendable, Equatable {
    public var route: String

    public init(route: String) { self.route = route }
}

public struct DomainLookupResponse: Codable, Sendable, Equatable {
    /// nil: none has it.
    public var domain: DomainID?

    public init(domain: DomainID?) { self.domain = domain }
}
