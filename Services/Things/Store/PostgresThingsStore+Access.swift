// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Messaging
import Postgres

extension PostgresThingsStore: AccessStore {
    func roles(of actor: Actor, onThings things: [ThingID]) async throws(ServiceError) -> [ThingID: Role] {
        try await roles(
            of: actor, on: things, from: "things AS entity LEFT JOIN groups ON groups.id = entity.parent", "thing")
    }

    func roles(of actor: Actor, onChannels channels: [ChannelID]) async throws(ServiceError) -> [ChannelID: Role] {
        try await roles(
            of: actor, on: channels, from: "channels AS entity LEFT JOIN groups ON groups.id = entity.parent", "channel"
        )
    }

    func roles(of actor: Actor, onGroups groups: [GroupID]) async throws(ServiceError) -> [GroupID: Role] {
        try await roles(
            of: actor, on: groups, from: "groups AS entity JOIN groups ON groups.id = entity.id", "group_id")
    }

    /// `groups` is the group of each entity, or the entity itself, whose path holds all on which a role counts.
    private func roles<Kind>(
        of actor: Actor, on identifiers: [Identifier<Kind>], from tables: SQL, _ column: SQL
    ) async throws(ServiceError) -> [Identifier<Kind>: Role] {
        let found = try await execute(
            """
            SELECT entity.id, coalesce(max(grants.role), 0)::smallint FROM \(tables)
            LEFT JOIN grants ON grants.user_id = \(actor.user) AND grants.domain = \(actor.domain)
                AND (grants.\(column) = entity.id OR grants.group_id = ANY (groups.path))
            WHERE entity.id = ANY(\(identifiers)) AND entity.domain = \(actor.domain) GROUP BY entity.id
            """)
        let pairs = try rows(of: found) { row throws(PostgresError) in
            let (id, role) = try row.decode((Identifier<Kind>, Int16).self)
            return (id, Role(number: role))
        }
        return Dictionary(pairs) { max($0, $1) }
    }

    func reach(of actor: Actor) async throws(ServiceError) -> Reach {
        let found = try await execute(
            """
            WITH granted AS MATERIALIZED (
                SELECT thing, channel, group_id FROM grants
                WHERE user_id = \(actor.user) AND domain = \(actor.domain))
            SELECT
                ARRAY(SELECT groups.id FROM groups WHERE groups.domain = \(actor.domain)
                    AND groups.path && ARRAY(SELECT group_id FROM granted WHERE group_id IS NOT NULL)),
                ARRAY(SELECT thing FROM granted WHERE thing IS NOT NULL),
                ARRAY(SELECT channel FROM granted WHERE channel IS NOT NULL)
            """)
        let reach = try rows(of: found) { row throws(PostgresError) in
            let (groups, things, channels) = try row.decode(([GroupID], [ThingID], [ChannelID]).self)
            return Reach(groups: groups, things: things, channels: channels)
        }.first
        return reach ?? Reach(groups: [], things: [], channels: [])
    }

    func grant(
        _ role: Role, to users: [UserID], on subject: Subject, by actor: Actor, _ events: ChangeEvents
    ) async throws(ServiceError) {
        try await change { connection in
            let held = try await connection.execute(
                """
                SELECT user_id, role FROM grants WHERE \(subject.column) = \(subject.identifier) AND user_id = ANY(\(users))
                ORDER BY user_id FOR UPDATE
                """)
            var former: [UserID: Int16] = [:]
            for row in held {
                let (user, role) = try row.decode((UserID, Int16).self)
                former[user] = role
            }
            // Given again is given now, also when the role stays: a departure that was before and is heard later leaves it alone.
            try await connection.execute(
                """
                INSERT INTO grants (domain, user_id, \(subject.column), role, created_at, given_at, created_by)
                SELECT \(actor.domain), user_id, \(subject.identifier), \(role.number), \(events.at), \(events.at), \(actor.user)
                FROM unnest(\(users)) AS user_id ORDER BY user_id
                ON CONFLICT (\(subject.column), user_id) DO UPDATE
                SET role = excluded.role, given_at = greatest(grants.given_at, excluded.given_at)
                """)
            let counted = try await connection.execute(
                "SELECT count(*) FROM grants WHERE \(subject.column) = \(subject.identifier)")
            guard try counted.first?.decode(Int.self, at: 0) ?? 0 <= Grant.maximumPerSubject else {
                throw ThingsRefusal.tooManyGrants
            }
            let announced = users.filter { former[$0] != role.number }.map { user in
                events.grant(user, on: subject, former[user] == nil ? .created : .updated)
            }
            return ((), announced)
        }
    }

    func revoke(
        from users: [UserID], on subject: Subject, by actor: Actor, _ events: ChangeEvents
    ) async throws(ServiceError) {
        try await change { connection in
            let removed = try await connection.execute(
                """
                DELETE FROM grants WHERE \(subject.column) = \(subject.identifier) AND domain = \(actor.domain)
                    AND user_id = ANY(\(users)) RETURNING user_id
                """)
            var announced: [EntityEvent] = []
            for row in removed {
                announced.append(events.grant(try row.decode(UserID.self, at: 0), on: subject, .removed))
            }
            return ((), announced)
        }
    }

    func removeGrants(
        of user: UserID, givenUntil time: Int64, _ events: ChangeEvents
    ) async throws(ServiceError) {
        try await change { connection in
            let removed = try await connection.execute(
                """
                DELETE FROM grants WHERE user_id = \(user) AND domain = \(events.actor.domain) AND given_at <= \(time)
                RETURNING thing, channel, group_id
                """)
            var announced: [EntityEvent] = []
            for row in removed {
                let (thing, channel, group) = try row.decode((ThingID?, ChannelID?, GroupID?).self)
                let subject = thing.map(Subject.thing) ?? channel.map(Subject.channel) ?? group.map(Subject.group)
                if let subject { announced.append(events.grant(user, on: subject, .removed)) }
            }
            return ((), announced)
        }
    }

    func domains(withGrantsOf user: UserID) async throws(ServiceError) -> [DomainID] {
        let found = try await execute("SELECT DISTINCT domain FROM grants WHERE user_id = \(user) ORDER BY domain")
        return try rows(of: found) { row throws(PostgresError) in try row.decode(DomainID.self, at: 0) }
    }

    func grants(on subject: Subject, in domain: DomainID) async throws(ServiceError) -> [Grant] {
        let found = try await execute(
            """
            SELECT user_id, role, created_at, created_by FROM grants
            WHERE \(subject.column) = \(subject.identifier) AND domain = \(domain) ORDER BY user_id
            """)
        return try rows(of: found) { row throws(PostgresError) in
            let (user, role, createdAt, createdBy) = try row.decode((UserID, Int16, Int64, UserID?).self)
            return Grant(user: user, role: Role(number: role), createdAt: createdAt, createdBy: createdBy)
        }
    }
}

extension Subject {
    /// In `grants`.
    fileprivate var column: SQL {
        switch self {
        case .thing: "thing"
        case .channel: "channel"
        case .group: "group_id"
        }
    }

    fileprivate var identifier: SQL {
        switch self {
        case .thing(let id): "\(id)"
        case .channel(let id): "\(id)"
        case .group(let id): "\(id)"
        }
    }
}

extension Role {
    /// As `grants.role` keeps it.
    fileprivate var number: Int16 {
        switch self {
        case .none: 0
        case .viewer: 1
        case .editor: 2
        case .admin: 3
        }
    }

    fileprivate init(number: Int16) {
        switch number {
        case 1: self = .viewer
        case 2: self = .editor
        case 3: self = .admin
        default: self = .none
        }
    }
}
