// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import Observability

/// Whose role: `relation` (the second dialect) or `policies` (the first one).
struct GrantBody: Decodable, Sendable {
    var userIDs: [UserID]
    var relation: String?
    var policies: [String]?

    private enum CodingKeys: String, CodingKey {
        case relation, policies
        case userIDs = "user_ids"
    }

    func role() throws(ServiceError) -> Role {
        if let relation { return try Role(relation: relation) }
        if let policies { return try Role(policies: policies) }
        throw ServiceError(.malformed, reason: "missing-field", "'relation' is missing")
    }
}

struct GrantDocument: Encodable, Sendable {
    var userID: UserID
    var relation: String
    var createdAt: String
    var createdBy: UserID?

    private enum CodingKeys: String, CodingKey {
        case relation
        case userID = "user_id"
        case createdAt = "created_at"
        case createdBy = "created_by"
    }

    init(_ grant: Grant) {
        userID = grant.user
        relation = grant.role == .admin ? "administrator" : grant.role.rawValue
        createdAt = Timestamp.rfc3339(grant.createdAt)
        createdBy = grant.createdBy
    }
}

struct GrantList: Encodable, Sendable {
    var total: Int
    var users: [GrantDocument]
}

/// Roles of persons on one thing, one channel, or a group and everything below it.
struct GrantRoutes: Sendable {
    let directory: Directory

    private typealias SubjectOf = @Sendable (ServiceRequestContext, Directory, Actor) async throws -> Subject

    func add(to routes: RouteTable) {
        let group: SubjectOf = { context, _, _ in .group(try context.group()) }
        let thing: SubjectOf = { context, _, _ in .thing(try context.thing()) }
        let channel: SubjectOf = { context, directory, actor in
            .channel(try await directory.channel(context.channel(), for: actor).id)
        }
        add(
            "/groups/:id/users", "a group and everything below it", assign: "assign", unassign: "unassign", group,
            routes)
        add("/things/:id", "a thing", assign: "share", unassign: "unshare", thing, routes)
        add("/channels/:id/users", "a channel", assign: "assign", unassign: "unassign", channel, routes)
        addList("/groups/:id/users", group, routes)
        addList("/things/:id/users", thing, routes)
        addList("/channels/:id/users", channel, routes)
    }

    private func add(
        _ path: String, _ what: String, assign: String, unassign: String, _ subject: @escaping SubjectOf,
        _ routes: RouteTable
    ) {
        routes.post(
            "\(path)/\(assign)",
            Operation(
                "Give persons a role on \(what), in place of the one they have there", tag: "roles",
                requestBody: GroupSchemas.users, successStatus: 201, errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let body = try await JSONBody.decode(GrantBody.self, from: request)
            try await directory.grant(
                try body.role(), to: body.userIDs, on: try await subject(context, directory, actor), by: actor)
            return Response(status: .created)
        }
        routes.post(
            "\(path)/\(unassign)",
            Operation(
                "Take persons' roles on \(what)", tag: "roles", requestBody: GroupSchemas.users, successStatus: 204,
                errors: [404, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let body = try await JSONBody.decode(GrantBody.self, from: request)
            try await directory.revoke(
                from: body.userIDs, on: try await subject(context, directory, actor), by: actor)
            return Response(status: .noContent)
        }
    }

    private func addList(_ path: String, _ subject: @escaping SubjectOf, _ routes: RouteTable) {
        routes.get(
            path,
            Operation("List the roles given here", tag: "roles", responseBody: GroupSchemas.grants, errors: [404])
        ) { [directory] _, context in
            let actor = try context.person()
            let grants = try await directory.grants(on: try await subject(context, directory, actor), for: actor)
            return try JSONBody.response(GrantList(total: grants.count, users: grants.map { GrantDocument($0) }))
        }
    }
}
