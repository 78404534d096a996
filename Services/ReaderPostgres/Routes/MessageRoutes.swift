// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import HTTPKit
import Identity
import Messaging
import NIOCore

/// `GET /channels/{id}/messages`, also below a domain.
struct MessageRoutes: Sendable {
    let store: any MessageStore
    let authenticator: ThingAuthenticator
    let things: ThingsClient
    let verifier: any AccessTokenVerifier

    func add(to routes: RouteTable) {
        let operation = Operation(
            "Read a channel's messages, newest first: with a thing's key that may subscribe to the channel (`Thing <key>`, `Client <key>`, Basic) "
                + "or the token of a person of its domain (`Bearer <token>`). All times are seconds since 1970",
            tag: "messages", access: .custom, parameters: MessageSchemas.parameters, responseBody: MessageSchemas.page,
            errors: [401, 403, 404])
        routes.get("/channels/:id/messages", operation) { request, context in
            try await read(request, context, domain: nil)
        }
        routes.get("/:domain/channels/:id/messages", operation) { request, context in
            guard let domain = DomainReference(context.parameters.get("domain") ?? "") else {
                throw Self.unknownChannel
            }
            return try await read(request, context, domain: domain)
        }
    }

    private func read(
        _ request: Request, _ context: ServiceRequestContext, domain: DomainReference?
    ) async throws -> Response {
        guard let reference = ChannelReference(context.parameters.get("id") ?? "") else { throw Self.unknownChannel }
        let parameters = try QueryParameters(request)
        let channel = try await authorize(request, reference, domain)
        let query = try MessageQuery(channel: channel, parameters)
        let listing = try await store.messages(query)
        let body = MessagePageDocument(query: query, listing: listing).json()
        return Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    /// Who asks decides how: a person by the channel's domain, a thing by its right to subscribe.
    private func authorize(
        _ request: Request, _ reference: ChannelReference, _ domain: DomainReference?
    ) async throws(ServiceError) -> ChannelID {
        let header = request.headers[.authorization]
        guard Credential.isBearer(authorization: header) else {
            let credential = try Credential.parse(authorization: header)
            let access = AccessRequest(
                credential: credential, channel: ChannelAddress(reference, domain: domain), right: .subscribe)
            return try await authenticator.authorize(access).channel
        }
        let principal = try await verifier.verify(try BearerToken.require(request))
        let own = try principal.requireDomain()
        // A route means something in a domain only; without one in the path it is the token's.
        let address = ChannelAddress(reference, domain: domain ?? .identifier(own))
        guard let channel = try await things.lookUp(address), channel.domain == own else { throw Self.unknownChannel }
        try principal.require(.messagesRead, on: channel.id.description)
        return channel.id
    }

    /// A channel of another domain is answered as one that does not exist.
    private static let unknownChannel = ServiceError(
        .notFound, reason: "unknown-channel", "there is no such channel for who asks")
}
