// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// `/groups`: the tree itself.
struct GroupRoutes: Sendable {
    let directory: Directory

    func add(to routes: RouteTable) {
        addLists(to: routes)
        addGroup(to: routes)
        addPlace(to: routes)
    }

    private func addLists(to routes: RouteTable) {
        routes.get(
            "/groups",
            Operation(
                "List the groups that one sees", tag: "groups", parameters: GroupSchemas.listParameters,
                responseBody: GroupSchemas.groupsPage, errors: [422])
        ) { [directory] request, context in
            try await Self.list(.all, directory, request, context)
        }
        routes.get(
            "/groups/:id/children",
            Operation(
                "List the groups below a group", tag: "groups", parameters: GroupSchemas.listParameters,
                responseBody: GroupSchemas.groupsPage, errors: [404, 422])
        ) { [directory] request, context in
            try await Self.list(.below(try context.group()), directory, request, context)
        }
        routes.get(
            "/groups/:id/parents",
            Operation(
                "List the groups above a group, as far as one sees them", tag: "groups",
                parameters: GroupSchemas.listParameters, responseBody: GroupSchemas.groupsPage, errors: [404, 422])
        ) { [directory] request, context in
            try await Self.list(.above(try context.group()), directory, request, context)
        }
    }

    private static func list(
        _ relation: GroupRange.Relation, _ directory: Directory, _ request: Request, _ context: ServiceRequestContext
    ) async throws -> Response {
        let actor = try context.person()
        let parameters = try QueryParameters(request)
        var query = try ListQuery(request)
        // Groups have neither.
        query.isEnabled = nil
        query.tag = nil
        let levels = try parameters.integer("level", in: 1...Group.maximumLevels) ?? Group.maximumLevels
        let range = GroupRange(relation: relation, levels: levels)
        guard try parameters.boolean("tree") ?? false else {
            let listing = try await directory.groups(query, range, for: actor)
            return try JSONBody.response(PageDocument<GroupDocument>.groups(listing, query))
        }
        query.start = .offset(0)
        query.limit = Group.maximumTree
        let listing = try await directory.groups(query, range, for: actor)
        guard !listing.hasMore else { throw ThingsRefusal.treeTooLarge }
        return try JSONBody.response(GroupTree(groups: GroupDocument.tree(listing.items), total: listing.items.count))
    }

    private func addGroup(to routes: RouteTable) {
        routes.post(
            "/groups",
            Operation(
                "Create a group, below another one with `parent_id`", tag: "groups",
                requestBody: GroupSchemas.creation, responseBody: GroupSchemas.group, successStatus: 201,
                errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let draft = try await JSONBody.decode(GroupCreation.self, from: request).draft()
            let created = try await directory.createGroup(draft, by: actor)
            return try JSONBody.created(GroupDocument(created), location: "/groups/\(created.id)")
        }
        routes.get(
            "/groups/:id",
            Operation("View a group", tag: "groups", responseBody: GroupSchemas.group, errors: [404])
        ) { [directory] _, context in
            let actor = try context.person()
            return try JSONBody.response(GroupDocument(try await directory.group(context.group(), for: actor)))
        }
        let update = Operation(
            "Change some of a group's attributes", tag: "groups", requestBody: GroupSchemas.attributes,
            responseBody: GroupSchemas.group, errors: [404, 422])
        let handleUpdate: RouteTable.Handler = { [directory] request, context in
            let actor = try context.person()
            let change = try await JSONBody.decode(GroupUpdate.self, from: request).change()
            return try JSONBody.response(
                GroupDocument(try await directory.updateGroup(context.group(), change, by: actor)))
        }
        routes.patch("/groups/:id", update, handler: handleUpdate)
        routes.put("/groups/:id", update, handler: handleUpdate)
        routes.delete(
            "/groups/:id",
            Operation(
                "Remove a group; what it holds goes one level up", tag: "groups", successStatus: 204,
                errors: [404, 409])
        ) { [directory] _, context in
            let actor = try context.person()
            try await directory.removeGroup(context.group(), by: actor)
            return Response(status: .noContent)
        }
    }

    private func addPlace(to routes: RouteTable) {
        routes.post(
            "/groups/:id/parent",
            Operation(
                "Move a group, with everything below it, below another one", tag: "groups",
                requestBody: GroupSchemas.parent, responseBody: GroupSchemas.group, errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let parent = try await JSONBody.decode(ParentBody.self, from: request).parent()
            let moved = try await directory.moveGroup(context.group(), below: parent, by: actor)
            return try JSONBody.response(GroupDocument(moved))
        }
        routes.delete(
            "/groups/:id/parent",
            Operation("Move a group beside all others", tag: "groups", successStatus: 204, errors: [404, 409])
        ) { [directory] _, context in
            let actor = try context.person()
            _ = try await directory.moveGroup(context.group(), below: nil, by: actor)
            return Response(status: .noContent)
        }
    }
}
