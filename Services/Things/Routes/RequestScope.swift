// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import Messaging

extension ServiceRequestContext {
    /// The domain in which the person reads.
    func reader() throws(ServiceError) -> DomainID {
        let principal = try requirePrincipal()
        let domain = try principal.requireDomain()
        try principal.require(.viewer)
        return domain
    }

    /// The person who changes something, in the token's domain.
    func editor() throws(ServiceError) -> Actor {
        let principal = try requirePrincipal()
        let domain = try principal.requireDomain()
        try principal.require(.editor)
        return Actor(user: principal.user, domain: domain)
    }

    func thing(_ name: String = "id") throws(ServiceError) -> ThingID {
        try identifier(name, of: Entity.Thing.self)
    }

    /// An identifier or a route; what cannot be either names no channel.
    func channel(_ name: String = "id") throws(ServiceError) -> ChannelReference {
        guard let reference = ChannelReference(parameters.get(name) ?? "") else { throw ThingsRefusal.unknownChannel }
        return reference
    }
}
