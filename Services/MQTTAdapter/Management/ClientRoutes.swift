// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import HTTPKit
import Identity
import Logging
import Messaging
import NIOCore
import Observability

/// `/clients`: who is connected, and whose sessions are kept.
///
/// Who may see what: an administrator of the installation all of them; others those of the domain that their token or key acts in, with `things:read`; ending
/// a connection takes `things:write`.
struct ClientRoutes: Sendable {
    let clients: ClientDirectory
    let bus: any Bus
    let clock: WallClock
    let logger: Logger

    func add(to routes: RouteTable) {
        routes.get(
            "/clients",
            Operation(
                "List the clients that are connected, or whose sessions are kept", tag: "clients", scope: .handler,
                parameters: QueryParameter.paging + Self.filters, responseBody: ClientPageDocument.schema)
        ) { request, context in
            try await page(request, context)
        }
        routes.get(
            "/clients/:id/:client",
            Operation(
                "Look at a client of a thing", tag: "clients", scope: .handler, responseBody: ClientDocument.schema,
                errors: [404])
        ) { _, context in
            let key = try Self.key(context)
            let domain = try Self.domain(context, .thingsRead, on: key.thing)
            let found = try await clients.describe([key]).first { domain == nil || $0.domain == domain }
            guard let found else { throw Self.unknownClient }
            return try JSONBody.response(ClientDocument(found, withSubscriptions: true))
        }
        routes.delete(
            "/clients/:id/:client",
            Operation(
                "End a client's connection, with `session` also what is kept for it", tag: "clients", scope: .handler,
                parameters: [
                    QueryParameter(
                        "session", "Whether the session ends as well: subscriptions, and what waits for the client.",
                        schema: ["type": "boolean", "default": false])
                ], successStatus: 204, errors: [404])
        ) { request, context in
            try await disconnect(request, context)
        }
    }

    private static let filters = [
        QueryParameter("thing", "Only the clients of this thing.", schema: .uuidSchema),
        QueryParameter("domain_id", "Only those of this domain's things.", schema: .uuidSchema),
        QueryParameter(
            "listener", "Only those that came by this listener.",
            schema: .choiceSchema(Listener.Kind.allCases.map(\.rawValue))),
        QueryParameter(
            "state", "Only those with a connection, or only sessions without one.",
            schema: .choiceSchema(ClientFilter.State.allCases.map(\.rawValue))),
    ]

    private func page(_ request: Request, _ context: ServiceRequestContext) async throws -> Response {
        let parameters = try QueryParameters(request)
        let page = try PageRequest(parameters)
        var filter = ClientFilter(
            thing: try parameters.identifier("thing"), domain: try parameters.identifier("domain_id"),
            listener: try parameters.choice("listener"), state: try parameters.choice("state"))
        let own = try Self.domain(context, .thingsRead, on: nil)
        var keys: [SessionKey] = []
        // Another domain has no clients for who asks.
        if own == nil || filter.domain == nil || filter.domain == own {
            filter.domain = own ?? filter.domain
            keys = try await clients.keys(filter)
        }
        var start = page.offset
        var offset: Int? = start
        if case .after(let cursor) = page.start {
            let last = try SessionKey(cursor: cursor)
            start = keys.firstIndex { $0 > last } ?? keys.count
            offset = nil
        }
        let asked = Array(keys.dropFirst(start).prefix(page.limit))
        let hasMore = start + asked.count < keys.count
        let found = try await clients.describe(asked)
        return try JSONBody.response(
            ClientPageDocument(
                total: keys.count, offset: offset, limit: page.limit,
                nextCursor: hasMore ? asked.last.map { PageRequest.encodeCursor($0.cursor) } : nil,
                clients: found.map { ClientDocument($0, withSubscriptions: false) }))
    }

    private func disconnect(_ request: Request, _ context: ServiceRequestContext) async throws -> Response {
        let key = try Self.key(context)
        let domain = try Self.domain(context, .thingsWrite, on: key.thing)
        let endsSession = try QueryParameters(request).boolean("session") ?? false
        guard let client = try await clients.disconnect(key, endsSession: endsSession, in: domain) else {
            throw Self.unknownClient
        }
        guard endsSession || client.connected != nil else { throw Self.notConnected }
        announce(client, endsSession ? "session-ended" : "disconnected", try context.requirePrincipal())
        return Response(status: .noContent)
    }

    /// Tells the journal who did it. The adapter has no database, and so no outbox: with the bus away there is the log alone.
    private func announce(_ client: ClientDescription, _ what: String, _ principal: Principal) {
        let event = EntityEvent(
            id: .new(), at: clock.now(), service: "mqtt-adapter", entity: "client", what: what, domain: client.domain,
            actor: principal.user, thing: client.key.thing)
        let metadata: Logger.Metadata = [
            "what": "\(what)", "thing": "\(client.key.thing)", "client": "\(client.key.clientIdentifier)",
            "user": "\(principal.user)",
        ]
        logger.info("an operator ended a connection", metadata: metadata)
        guard let payload = try? JSONEncoder().encode(event) else { return }
        let logger = logger
        bus.publishDurably(BusMessage(subject: event.subject, payload: ByteBuffer(bytes: payload))) { result in
            guard case .failure(let error) = result else { return }
            logger.error(
                "what an operator did is not in the journal",
                metadata: metadata.merging([LogKey.error: "\(error)"]) { _, new in new })
        }
    }

    private static func key(_ context: ServiceRequestContext) throws(ServiceError) -> SessionKey {
        let thing = try context.identifier("id", of: Entity.Thing.self)
        // As it stands in the path.
        guard let client = context.parameters.get("client")?.removingPercentEncoding else {
            throw ServiceError(
                .malformed, reason: "broken-escape", "the client identifier holds a broken percent escape")
        }
        return SessionKey(thing: thing, clientIdentifier: client)
    }

    /// - Returns: the only domain whose clients may be asked for; nil: any.
    private static func domain(
        _ context: ServiceRequestContext, _ action: Action, on thing: ThingID?
    ) throws(ServiceError) -> DomainID? {
        let principal = try context.requirePrincipal()
        if principal.isPlatformAdmin, principal.credential == .session { return nil }
        let domain = try principal.requireDomain()
        try principal.require(action, on: thing?.description)
        return domain
    }

    private static let unknownClient = ServiceError(
        .notFound, reason: "unknown-client", "there is no such client for who asks")
    private static let notConnected = ServiceError(
        .notFound, reason: "not-connected",
        "the client has no connection; with session=true, what is kept for it ends")
}

extension SessionKey {
    /// For clients of the API: not to be looked into.
    fileprivate var cursor: String { "\(thing) \(clientIdentifier)" }

    /// - Throws: `malformed`.
    fileprivate init(cursor: String) throws(ServiceError) {
        guard let thing = ThingID(String(cursor.prefix(ThingID.textLength))), cursor.count > ThingID.textLength else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'cursor' is not one that a list gave")
        }
        self.init(thing: thing, clientIdentifier: String(cursor.dropFirst(ThingID.textLength + 1)))
    }
}
