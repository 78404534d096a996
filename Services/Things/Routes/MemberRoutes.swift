// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// Which things or channels a group is to hold, in the first dialect's words.
struct MembersBody: Decodable, Sendable {
    var type: String
    var members: [String]

    func identified() throws(ServiceError) -> (things: [ThingID], channels: [ChannelID]) {
        switch type {
        case "things": (try identifiers(), [])
        case "channels": ([], try identifiers())
        default:
            throw ServiceError(.malformed, reason: "invalid-value", "'type' must be 'things' or 'channels'")
        }
    }

    private func identifiers<Kind>() throws(ServiceError) -> [Identifier<Kind>] {
        try members.map { text throws(ServiceError) in
            guard let identifier = Identifier<Kind>(text) else {
                throw ServiceError(.malformed, reason: "invalid-value", "each of 'members' must be a UUID")
            }
            return identifier
        }
    }
}

/// The group of a channel, in the second dialect's words.
struct GroupsBody: Decodable, Sendable {
    var groupIDs: [GroupID]

    private enum CodingKeys: String, CodingKey {
        case groupIDs = "group_ids"
    }

    func group() throws(ServiceError) -> GroupID {
        guard groupIDs.count == 1, let group = groupIDs.first else {
            throw ServiceError(
                .unprocessable, reason: "one-group", "'group_ids' must hold one group: what is in one is in no other")
        }
        return group
    }
}

/// What is in which group.
struct MemberRoutes: Sendable {
    let directory: Directory

    func add(to routes: RouteTable) {
        addLists(to: routes)
        addMembers(to: routes)
        addParents(to: routes)
    }

    private func addLists(to routes: RouteTable) {
        let listThings: RouteTable.Handler = { [directory] request, context in
            let actor = try context.person()
            let query = try ListQuery(request)
            let listing = try await directory.things(query, in: try Self.membership(request, context), for: actor)
            return try JSONBody.response(PageDocument<ThingDocument>.things(listing, query))
        }
        let listChannels: RouteTable.Handler = { [directory] request, context in
            let actor = try context.person()
            let query = try ListQuery(request)
            let listing = try await directory.channels(query, in: try Self.membership(request, context), for: actor)
            return try JSONBody.response(PageDocument<ChannelDocument>.channels(listing, query))
        }
        routes.get(
            "/groups/:id/things",
            Operation(
                "List the things in a group", tag: "groups",
                parameters: ThingsSchemas.listParameters + [GroupSchemas.deep],
                responseBody: ThingsSchemas.thingsPage, errors: [404]), handler: listThings)
        routes.get(
            "/groups/:id/channels",
            Operation(
                "List the channels in a group", tag: "groups",
                parameters: ThingsSchemas.listParameters + [GroupSchemas.deep],
                responseBody: ThingsSchemas.channelsPage, errors: [404]), handler: listChannels)
        routes.get(
            "/groups/:id/members",
            Operation(
                "List the things (or, with type=channels, the channels) in a group", tag: "groups",
                parameters: ThingsSchemas.listParameters + [
                    GroupSchemas.deep,
                    QueryParameter(
                        "type", "Which members.", schema: ["type": "string", "enum": ["things", "channels"]]),
                ], responseBody: GroupSchemas.membersPage, errors: [404])
        ) { request, context in
            switch try QueryParameters(request)["type"] ?? "things" {
            case "things": return try await listThings(request, context)
            case "channels": return try await listChannels(request, context)
            default:
                throw ServiceError(
                    .malformed, reason: "invalid-parameter", "'type' must be one of things, channels")
            }
        }
    }

    private static func membership(
        _ request: Request, _ context: ServiceRequestContext
    ) throws(ServiceError) -> Membership {
        Membership(group: try context.group(), isDeep: try QueryParameters(request).boolean("deep") ?? false)
    }

    private func addMembers(to routes: RouteTable) {
        routes.post(
            "/groups/:id/members",
            Operation(
                "Put up to 1,000 things or channels into a group, from wherever they are", tag: "groups",
                requestBody: GroupSchemas.members, errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let members = try await JSONBody.decode(MembersBody.self, from: request).identified()
            try await directory.move(
                things: members.things, channels: members.channels, to: context.group(), by: actor)
            return Response(status: .ok)
        }
        routes.delete(
            "/groups/:id/members",
            Operation(
                "Take up to 1,000 things or channels out of a group", tag: "groups",
                requestBody: GroupSchemas.members, successStatus: 204, errors: [404, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let members = try await JSONBody.decode(MembersBody.self, from: request).identified()
            try await directory.move(
                things: members.things, channels: members.channels, from: context.group(), to: nil, by: actor)
            return Response(status: .noContent)
        }
        routes.post(
            "/channels/:id/groups/assign",
            Operation(
                "Put a channel into a group", tag: "groups", requestBody: GroupSchemas.groupIDs, successStatus: 201,
                errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let group = try await JSONBody.decode(GroupsBody.self, from: request).group()
            let channel = try await directory.channel(context.channel(), for: actor).id
            try await directory.move(things: [], channels: [channel], to: group, by: actor)
            return Response(status: .created)
        }
        routes.post(
            "/channels/:id/groups/unassign",
            Operation(
                "Take a channel out of a group", tag: "groups", requestBody: GroupSchemas.groupIDs,
                successStatus: 204, errors: [404, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let group = try await JSONBody.decode(GroupsBody.self, from: request).group()
            let channel = try await directory.channel(context.channel(), for: actor).id
            try await directory.move(things: [], channels: [channel], from: group, to: nil, by: actor)
            return Response(status: .noContent)
        }
    }

    private func addParents(to routes: RouteTable) {
        let put = { (kind: String) in
            Operation(
                "Put a \(kind) into a group, from wherever it is", tag: "groups", requestBody: GroupSchemas.parent,
                errors: [404, 409, 422])
        }
        let take = { (kind: String) in
            Operation("Take a \(kind) out of its group", tag: "groups", successStatus: 204, errors: [404])
        }
        routes.post("/things/:id/parent", put("thing")) { [directory] request, context in
            let actor = try context.person()
            let parent = try await JSONBody.decode(ParentBody.self, from: request).parent()
            try await directory.move(things: [context.thing()], channels: [], to: parent, by: actor)
            return Response(status: .ok)
        }
        routes.delete("/things/:id/parent", take("thing")) { [directory] _, context in
            let actor = try context.person()
            try await directory.move(things: [context.thing()], channels: [], to: nil, by: actor)
            return Response(status: .noContent)
        }
        routes.post("/channels/:id/parent", put("channel")) { [directory] request, context in
            let actor = try context.person()
            let parent = try await JSONBody.decode(ParentBody.self, from: request).parent()
            let channel = try await directory.channel(context.channel(), for: actor).id
            try await directory.move(things: [], channels: [channel], to: parent, by: actor)
            return Response(status: .ok)
        }
        routes.delete("/channels/:id/parent", take("channel")) { [directory] _, context in
            let actor = try context.person()
            let channel = try await directory.channel(context.channel(), for: actor).id
            try await directory.move(things: [], channels: [channel], to: nil, by: actor)
            return Response(status: .noContent)
        }
    }
}
