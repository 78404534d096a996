// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// `/channels`; an `:id` is the channel's identifier or its route.
struct ChannelRoutes: Sendable {
    let directory: Directory

    func add(to routes: RouteTable) {
        addCollection(to: routes)
        addChanges(to: routes)
    }

    private func addCollection(to routes: RouteTable) {
        routes.post(
            "/channels",
            Operation(
                "Create a channel", tag: "channels", requestBody: ThingsSchemas.channelCreation,
                responseBody: ThingsSchemas.channel, successStatus: 201, errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let draft = try await JSONBody.decode(ChannelCreation.self, from: request).draft()
            guard let created = try await directory.createChannels([draft], by: actor).first else {
                throw ServiceError(.internalFailure, reason: "internal", "something went wrong on our side")
            }
            return try JSONBody.created(ChannelDocument(created), location: "/channels/\(created.id)")
        }
        routes.post(
            "/channels/bulk",
            Operation(
                "Create up to 1,000 channels, all or none", tag: "channels",
                requestBody: .arraySchema(of: ThingsSchemas.channelCreation),
                responseBody: .objectSchema([
                    "channels": .arraySchema(of: ThingsSchemas.channel), "total": .integerSchema,
                ]), successStatus: 201, errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let drafts = try await JSONBody.decode([ChannelCreation].self, from: request).map { try $0.draft() }
            let created = try await directory.createChannels(drafts, by: actor)
            return try JSONBody.response(
                CreatedChannels(channels: created.map { ChannelDocument($0) }, total: created.count), status: .created)
        }
        routes.get(
            "/channels",
            Operation(
                "List the channels that one sees", tag: "channels", parameters: ThingsSchemas.listParameters,
                responseBody: ThingsSchemas.channelsPage)
        ) { [directory] request, context in
            let actor = try context.person()
            let query = try ListQuery(request)
            let listing = try await directory.channels(query, of: nil, for: actor)
            return try JSONBody.response(PageDocument<ChannelDocument>.channels(listing, query))
        }
        routes.get(
            "/channels/:id",
            Operation("View a channel", tag: "channels", responseBody: ThingsSchemas.channel, errors: [404])
        ) { [directory] _, context in
            let actor = try context.person()
            return try JSONBody.response(ChannelDocument(try await directory.channel(context.channel(), for: actor)))
        }
        routes.get(
            "/channels/:id/things",
            Operation(
                "List the things that are connected to a channel", tag: "connections",
                parameters: ThingsSchemas.listParameters + [ThingsSchemas.disconnected],
                responseBody: ThingsSchemas.thingsPage, errors: [404])
        ) { [directory] request, context in
            let actor = try context.person()
            let query = try ListQuery(request)
            let listing = try await directory.things(query, on: context.channel(), for: actor)
            return try JSONBody.response(PageDocument<ThingDocument>.things(listing, query))
        }
        routes.delete(
            "/channels/:id",
            Operation("Remove a channel and its connections", tag: "channels", successStatus: 204, errors: [404])
        ) { [directory] _, context in
            try await directory.removeChannel(context.channel(), by: try context.person())
            return Response(status: .noContent)
        }
    }

    private func addChanges(to routes: RouteTable) {
        let update = Operation(
            "Change some of a channel's attributes", tag: "channels", requestBody: ThingsSchemas.channelAttributes,
            responseBody: ThingsSchemas.channel, errors: [404, 409, 422])
        let handleUpdate: RouteTable.Handler = { [directory] request, context in
            let actor = try context.person()
            let body = try await JSONBody.decode(ChannelUpdate.self, from: request)
            let channel = try await directory.updateChannel(
                context.channel(), try body.attributes.change(), route: body.route, by: actor)
            return try JSONBody.response(ChannelDocument(channel))
        }
        routes.patch("/channels/:id", update, handler: handleUpdate)
        routes.put("/channels/:id", update, handler: handleUpdate)

        routes.patch(
            "/channels/:id/tags",
            Operation(
                "Replace a channel's tags", tag: "channels", requestBody: ThingsSchemas.tags,
                responseBody: ThingsSchemas.channel, errors: [404, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let tags = try await JSONBody.decode(TagsUpdate.self, from: request).tags
            let channel = try await directory.updateChannel(
                context.channel(), AttributesChange(tags: tags), route: .unchanged, by: actor)
            return try JSONBody.response(ChannelDocument(channel))
        }

        for (word, isEnabled) in [("enable", true), ("disable", false)] {
            routes.post(
                "/channels/:id/\(word)",
                Operation(
                    isEnabled ? "Enable a channel" : "Disable a channel: nobody uses it until it is enabled again",
                    tag: "channels", responseBody: ThingsSchemas.channel, errors: [404])
            ) { [directory] _, context in
                let actor = try context.person()
                return try JSONBody.response(
                    ChannelDocument(try await directory.setChannel(context.channel(), enabled: isEnabled, by: actor)))
            }
        }
    }
}
