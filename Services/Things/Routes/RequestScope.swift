// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import Messaging

extension ServiceRequestContext {
    /// The person who asks, in the token's domain, with the role there. The one place where a token's rights become ours.
    func person() throws(ServiceError) -> Actor {
        let principal = try requirePrincipal()
        return Actor(user: principal.user, domain: try principal.requireDomain(), role: principal.role)
    }

    func thing(_ name: String = "id") throws(ServiceError) -> ThingID {
        try identifier(name, of: Entity.Thing.self)
    }

    func group(_ name: String = "id") throws(ServiceError) -> GroupID {
        try identifier(name, of: Entity.Group.self)
    }

    /// An identifier or a route; what cannot be either names no channel.
    func channel(_ name: String = "id") throws(ServiceError) -> ChannelReference {
        guard let reference = ChannelReference(parameters.get(name) ?? "") else { throw ThingsRefusal.unknownChannel }
        return reference
    }
}
