// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit
import Identity
import Observability

/// Invitations into domains, in Magistrala's form.
struct InvitationRoutes: Sendable {
    let invitations: Invitations

    private struct Body: Decodable, Sendable {
        var invitee_user_id: UserID?
        var user_id: UserID?
        var identity: String?
        var email: String?
        var role: String?
        var role_id: RoleID?
        var duration: KeyDuration?

        func invitee() throws(ServiceError) -> Invitation.Invitee {
            if let user = invitee_user_id ?? user_id { return .user(user) }
            guard let identity = identity ?? email else {
                throw ServiceError(
                    .malformed, reason: "missing-field", "'invitee_user_id' or 'identity' is missing")
            }
            return .identity(identity)
        }

        func reference() throws(ServiceError) -> RoleReference {
            if let role_id { return .custom(role_id) }
            guard let role = role.flatMap(RoleReference.init) else {
                throw ServiceError(
                    .malformed, reason: "invalid-value",
                    "'role' must be one of admin, editor, viewer, or 'role_id' a role of the domain")
            }
            return role
        }
    }

    private struct Answer: Decodable, Sendable {
        var id: InvitationID?
        var domain_id: DomainID?
        var token: String?

        func reference() throws(ServiceError) -> InvitationReference {
            if let token { return .token(token) }
            if let id { return .id(id) }
            guard let domain_id else {
                throw ServiceError(.malformed, reason: "missing-field", "'domain_id', 'id' or 'token' is missing")
            }
            return .domain(domain_id)
        }
    }

    private struct Document: Encodable {
        var id: InvitationID
        var domain_id: DomainID
        var domain_name: String
        var invitee_user_id: UserID?
        var invitee_identity: String?
        var role: String?
        var role_id: RoleID?
        var invited_by: UserID
        var created_at: String
        var expires_at: String
        var rejected_at: String?

        init(_ invitation: Invitation) {
            id = invitation.id
            domain_id = invitation.domain
            domain_name = invitation.domainName
            switch invitation.invitee {
            case .user(let user): invitee_user_id = user
            case .identity(let identity): invitee_identity = identity
            }
            switch invitation.role {
            case .builtIn(let builtIn): role = builtIn.rawValue
            case .custom(let custom): role_id = custom
            }
            invited_by = invitation.invitedBy
            created_at = Timestamp.rfc3339(invitation.createdAt)
            expires_at = Timestamp.rfc3339(invitation.expiresAt)
            rejected_at = invitation.rejectedAt.map(Timestamp.rfc3339)
        }
    }

    private static let time: JSONValue = ["type": "string", "format": "date-time"]
    private static let schema: JSONValue = .objectSchema(
        [
            "id": .uuidSchema, "domain_id": .uuidSchema, "domain_name": .stringSchema, "invitee_user_id": .uuidSchema,
            "invitee_identity": .stringSchema, "role": ["type": "string", "enum": ["viewer", "editor", "admin"]],
            "role_id": .uuidSchema, "invited_by": .uuidSchema, "created_at": time, "expires_at": time,
            "rejected_at": time,
        ], required: ["id", "domain_id", "domain_name", "invited_by", "created_at", "expires_at"])
    private static let answerSchema: JSONValue = .objectSchema([
        "domain_id": .uuidSchema, "id": .uuidSchema, "token": .stringSchema,
    ])
    private static let inviteeSchema: [String: JSONValue] = [
        "invitee_user_id": .uuidSchema, "identity": .stringSchema,
    ]

    func add(to routes: RouteTable) {
        addDomain(to: routes)
        addRemoval(to: routes)
        addOwn(to: routes)
    }

    private func addDomain(to routes: RouteTable) {
        routes.post(
            "/domains/:id/invitations",
            Operation(
                "Invite somebody, by identifier or by identity (with a mail where that is configured)",
                tag: "invitations", scope: .handler,
                requestBody: .objectSchema(
                    Self.inviteeSchema.merging([
                        "role": ["type": "string", "enum": ["viewer", "editor", "admin"]], "role_id": .uuidSchema,
                        "duration": KeyDuration.schema,
                    ]) { $1 }), responseBody: Self.schema, successStatus: 201, errors: [404, 409, 422])
        ) { request, context in
            let body = try await JSONBody.decode(Body.self, from: request)
            let draft = Invitations.Draft(
                invitee: try body.invitee(), role: try body.reference(), lifetimeSeconds: body.duration?.seconds)
            let invitation = try await invitations.create(
                draft, in: context.identifier("id"), as: context.requirePrincipal())
            return try JSONBody.created(
                Document(invitation), location: "/domains/\(invitation.domain)/invitations/\(invitation.id)")
        }
        routes.get(
            "/domains/:id/invitations",
            Operation(
                "List the domain's invitations", tag: "invitations", scope: .handler,
                parameters: QueryParameter.paging, responseBody: pageSchema("invitations", of: Self.schema),
                errors: [404])
        ) { request, context in
            let page = try PageRequest(QueryParameters(request))
            let list = try await invitations.list(
                in: context.identifier("id"), page: page, as: context.requirePrincipal())
            return try JSONBody.response(PageRepresentation(list, page, "invitations", Document.init))
        }
    }

    private func addRemoval(to routes: RouteTable) {
        routes.delete(
            "/domains/:id/invitations",
            Operation(
                "Take back somebody's invitation", tag: "invitations", scope: .handler,
                requestBody: .objectSchema(Self.inviteeSchema), successStatus: 204, errors: [404])
        ) { request, context in
            let invitee = try await JSONBody.decode(Body.self, from: request).invitee()
            try await invitations.remove(invitee, in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .noContent)
        }
        routes.delete(
            "/domains/:id/invitations/:invitation",
            Operation(
                "Take back an invitation", tag: "invitations", scope: .handler, successStatus: 204, errors: [404])
        ) { _, context in
            let id = try context.identifier("invitation", of: Invitation.self)
            try await invitations.remove(id, in: context.identifier("id"), as: context.requirePrincipal())
            return Response(status: .noContent)
        }
    }

    private func addOwn(to routes: RouteTable) {
        routes.get(
            "/invitations",
            Operation(
                "List the invitations that one has", tag: "invitations", scope: .session,
                parameters: QueryParameter.paging, responseBody: pageSchema("invitations", of: Self.schema))
        ) { request, context in
            let page = try PageRequest(QueryParameters(request))
            let list = try await invitations.list(page: page, as: context.requirePrincipal())
            return try JSONBody.response(PageRepresentation(list, page, "invitations", Document.init))
        }
        routes.post(
            "/invitations/accept",
            Operation(
                "Become a member by an invitation", tag: "invitations", scope: .session,
                requestBody: Self.answerSchema, responseBody: Self.schema, errors: [404, 409, 422])
        ) { request, context in
            let reference = try await JSONBody.decode(Answer.self, from: request).reference()
            let invitation = try await invitations.accept(reference, as: context.requirePrincipal())
            return try JSONBody.response(Document(invitation))
        }
        routes.post(
            "/invitations/reject",
            Operation(
                "Turn an invitation down", tag: "invitations", scope: .session, requestBody: Self.answerSchema,
                successStatus: 204, errors: [404])
        ) { request, context in
            let reference = try await JSONBody.decode(Answer.self, from: request).reference()
            try await invitations.reject(reference, as: context.requirePrincipal())
            return Response(status: .noContent)
        }
    }
}
