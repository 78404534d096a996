// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Postgres

extension PostgresThingsStore: RightsStore {
    func identify(keyHash: [UInt8]) async throws(ServiceError) -> IdentifyResponse.Thing? {
        let found = try await execute(
            """
            SELECT things.id, things.domain FROM thing_keys JOIN things ON things.id = thing_keys.thing
            WHERE thing_keys.hash = \(ByteBuffer(bytes: keyHash)) AND things.is_enabled
            """)
        return try rows(of: found) { row throws(PostgresError) in
            let (id, domain) = try row.decode((ThingID, DomainID).self)
            return IdentifyResponse.Thing(id: id, domain: domain)
        }.first
    }

    func lookUp(thing: ThingID) async throws(ServiceError) -> ThingLookupResponse {
        let found = try await execute(
            """
            SELECT things.domain,
                EXISTS (SELECT FROM domain_states WHERE domain_states.domain = things.domain AND NOT domain_states.is_enabled),
                thing_psks.version
            FROM things LEFT JOIN thing_psks ON thing_psks.thing = things.id
            WHERE things.id = \(thing) AND things.is_enabled
            """)
        let states = try rows(of: found) { row throws(PostgresError) in try row.decode((DomainID, Bool, Int64?).self) }
        guard let (domain, isDomainOff, version) = states.first else { return ThingLookupResponse(outcome: .unknown) }
        return ThingLookupResponse(
            outcome: isDomainOff ? .disabledDomain : .known(domain), preSharedKeyVersion: version)
    }

    /// The thing's row comes in any case; the channel's only when it is enabled and of the same domain.
    func authorize(
        thing: ThingID, channel: ChannelReference, domain: DomainID?
    ) async throws(ServiceError) -> AuthorizeResponse.Outcome {
        let channelCondition: SQL
        switch channel {
        case .identifier(let id): channelCondition = "channels.id = \(id)"
        case .route(let route): channelCondition = "channels.route = \(route)"
        }
        let domainCondition: SQL = domain.map { "channels.domain = \($0)" } ?? "true"
        let found = try await execute(
            """
            SELECT channels.id, channels.domain, coalesce(connections.publish, false),
                coalesce(connections.subscribe, false),
                EXISTS (SELECT FROM domain_states WHERE domain_states.domain = things.domain AND NOT domain_states.is_enabled)
            FROM things
            LEFT JOIN channels ON channels.domain = things.domain AND channels.is_enabled
                AND \(channelCondition) AND \(domainCondition)
            LEFT JOIN connections ON connections.thing = things.id AND connections.channel = channels.id
            WHERE things.id = \(thing) AND things.is_enabled
            """)
        let rights = try rows(of: found) { row throws(PostgresError) in
            try row.decode((ChannelID?, DomainID?, Bool, Bool, Bool).self)
        }
        guard let (channel, domain, publish, subscribe, isDomainOff) = rights.first else { return .unknownThing }
        guard !isDomainOff else { return .disabledDomain }
        guard let channel, let domain else { return .unknownChannel }
        return .known(
            AuthorizeResponse.Rights(channel: channel, domain: domain, publish: publish, subscribe: subscribe))
    }

    /// Disabled channels too: what was stored can still be read by the domain's people.
    func lookUp(
        channel: ChannelReference, domain: DomainID?, for user: UserID?
    ) async throws(ServiceError) -> ChannelLookupResponse.Channel? {
        let condition: SQL
        switch (channel, domain) {
        case (.identifier(let id), nil): condition = "entity.id = \(id)"
        case (.identifier(let id), let domain?): condition = "entity.id = \(id) AND entity.domain = \(domain)"
        case (.route(let route), let domain?): condition = "entity.route = \(route) AND entity.domain = \(domain)"
        case (.route, nil): return nil
        }
        let found = try await execute(
            """
            SELECT entity.id, entity.domain, EXISTS (
                SELECT FROM grants WHERE grants.user_id = \(user as UserID?) AND grants.domain = entity.domain
                    AND (grants.channel = entity.id OR grants.group_id = ANY (groups.path)))
            FROM channels AS entity LEFT JOIN groups ON groups.id = entity.parent WHERE \(condition)
            """)
        return try rows(of: found) { row throws(PostgresError) in
            let (id, domain, isGranted) = try row.decode((ChannelID, DomainID, Bool).self)
            return ChannelLookupResponse.Channel(id: id, domain: domain, isGranted: user == nil ? nil : isGranted)
        }.first
    }
}
