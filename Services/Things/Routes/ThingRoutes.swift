// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// `/things`
struct ThingRoutes: Sendable {
    let directory: Directory

    func add(to routes: RouteTable) {
        addCollection(to: routes)
        addChanges(to: routes)
    }

    private func addCollection(to routes: RouteTable) {
        routes.post(
            "/things",
            Operation(
                "Create a thing; its key is shown this once", tag: "things", requestBody: ThingsSchemas.thingCreation,
                responseBody: ThingsSchemas.thingWithKey, successStatus: 201, errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let draft = try await JSONBody.decode(ThingCreation.self, from: request).draft()
            guard let created = try await directory.createThings([draft], by: actor).first else {
                throw ServiceError(.internalFailure, reason: "internal", "something went wrong on our side")
            }
            return try JSONBody.created(ThingDocument(created), location: "/things/\(created.thing.id)")
        }
        routes.post(
            "/things/bulk",
            Operation(
                "Create up to 1,000 things, all or none", tag: "things",
                requestBody: .arraySchema(of: ThingsSchemas.thingCreation),
                responseBody: .objectSchema([
                    "things": .arraySchema(of: ThingsSchemas.thingWithKey), "total": .integerSchema,
                ]), successStatus: 201, errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let drafts = try await JSONBody.decode([ThingCreation].self, from: request).map { try $0.draft() }
            let created = try await directory.createThings(drafts, by: actor)
            return try JSONBody.response(
                CreatedThings(things: created.map { ThingDocument($0) }, total: created.count), status: .created)
        }
        routes.get(
            "/things",
            Operation(
                "List the things that one sees", tag: "things", parameters: ThingsSchemas.listParameters,
                responseBody: ThingsSchemas.thingsPage)
        ) { [directory] request, context in
            let actor = try context.person()
            let query = try ListQuery(request)
            let listing = try await directory.things(query, on: nil, for: actor)
            return try JSONBody.response(PageDocument<ThingDocument>.things(listing, query))
        }
        routes.post(
            "/things/search",
            Operation(
                "List the things that one sees, with the parameters in the body", tag: "things",
                scope: .action(.thingsRead),
                requestBody: SearchBody.schema, responseBody: ThingsSchemas.thingsPage, errors: [422])
        ) { [directory] request, context in
            let actor = try context.person()
            let query = try await JSONBody.decode(SearchBody.self, from: request).query()
            let listing = try await directory.things(query, on: nil, for: actor)
            return try JSONBody.response(PageDocument<ThingDocument>.things(listing, query))
        }
        routes.get(
            "/things/:id",
            Operation("View a thing", tag: "things", responseBody: ThingsSchemas.thing, errors: [404])
        ) { [directory] _, context in
            let actor = try context.person()
            return try JSONBody.response(ThingDocument(try await directory.thing(context.thing(), for: actor)))
        }
        routes.get(
            "/things/:id/channels",
            Operation(
                "List the channels that a thing is connected to", tag: "connections",
                parameters: ThingsSchemas.listParameters + [ThingsSchemas.disconnected],
                responseBody: ThingsSchemas.channelsPage, errors: [404])
        ) { [directory] request, context in
            let actor = try context.person()
            let query = try ListQuery(request)
            let listing = try await directory.channels(query, of: context.thing(), for: actor)
            return try JSONBody.response(PageDocument<ChannelDocument>.channels(listing, query))
        }
        routes.delete(
            "/things/:id",
            Operation("Remove a thing and its connections", tag: "things", successStatus: 204, errors: [404])
        ) { [directory] _, context in
            try await directory.removeThing(context.thing(), by: try context.person())
            return Response(status: .noContent)
        }
    }

    private func addChanges(to routes: RouteTable) {
        let update = Operation(
            "Change some of a thing's attributes", tag: "things", requestBody: ThingsSchemas.attributes,
            responseBody: ThingsSchemas.thing, errors: [404, 422])
        let handleUpdate: RouteTable.Handler = { [directory] request, context in
            let actor = try context.person()
            let change = try await JSONBody.decode(AttributesUpdate.self, from: request).change()
            return try JSONBody.response(
                ThingDocument(try await directory.updateThing(context.thing(), change, by: actor)))
        }
        routes.patch("/things/:id", update, handler: handleUpdate)
        routes.put("/things/:id", update, handler: handleUpdate)

        routes.patch(
            "/things/:id/tags",
            Operation(
                "Replace a thing's tags", tag: "things", requestBody: ThingsSchemas.tags,
                responseBody: ThingsSchemas.thing, errors: [404, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let tags = try await JSONBody.decode(TagsUpdate.self, from: request).tags
            return try JSONBody.response(
                ThingDocument(
                    try await directory.updateThing(context.thing(), AttributesChange(tags: tags), by: actor)))
        }

        let rotate = Operation(
            "Rotate a thing's key: the old one is refused at once, the new one is shown this once", tag: "things",
            requestBody: ThingsSchemas.keyRotation, responseBody: ThingsSchemas.thingWithKey, errors: [404, 409, 422])
        let handleRotation: RouteTable.Handler = { [directory] request, context in
            let actor = try context.person()
            let rotation = try await JSONBody.decode(KeyRotation.self, from: request)
            return try JSONBody.response(
                ThingDocument(try await directory.rotateKey(context.thing(), to: rotation.chosen, by: actor)))
        }
        routes.patch("/things/:id/secret", rotate, handler: handleRotation)
        routes.patch("/things/:id/key", rotate, handler: handleRotation)

        for (word, isEnabled) in [("enable", true), ("disable", false)] {
            routes.post(
                "/things/:id/\(word)",
                Operation(
                    isEnabled ? "Enable a thing" : "Disable a thing: it is refused at once, live sessions end",
                    tag: "things", responseBody: ThingsSchemas.thing, errors: [404])
            ) { [directory] _, context in
                let actor = try context.person()
                return try JSONBody.response(
                    ThingDocument(try await directory.setThing(context.thing(), enabled: isEnabled, by: actor)))
            }
        }
    }
}
