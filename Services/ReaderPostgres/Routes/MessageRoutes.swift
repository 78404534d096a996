// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import NIOCore

/// `GET /channels/{id}/messages` and `/latest`, also below a domain.
struct MessageRoutes: Sendable {
    let store: any MessageStore
    let access: ReaderAccess
    let clock: WallClock

    func add(to routes: RouteTable) {
        let whose =
            "with a thing's key that may subscribe to the channel (`Thing <key>`, `Client <key>`, Basic) or the token of a person of its domain "
            + "(`Bearer <token>`)"
        let messages = Operation(
            "Read a channel's messages, newest first, or what they add up to by intervals (`aggregation`), \(whose)",
            tag: "messages", access: .custom, parameters: ReaderParameters.messages, responseBody: MessageSchemas.page,
            errors: [401, 403, 404, 422])
        let latest = Operation(
            "Read the latest record of each SenML name, by name, \(whose)", tag: "messages", access: .custom,
            parameters: ReaderParameters.latest, responseBody: MessageSchemas.page, errors: [401, 403, 404, 422])
        for prefix in ["", "/:domain"] {
            routes.get("\(prefix)/channels/:id/messages", messages) { request, context in
                try await readMessages(request, context)
            }
            routes.get("\(prefix)/channels/:id/latest", latest) { request, context in
                try await readLatest(request, context)
            }
        }
    }

    private func readMessages(_ request: Request, _ context: ServiceRequestContext) async throws -> Response {
        let parameters = try QueryParameters(request)
        let channel = try await access.authorize(try ReaderAccess.Question(request, context))
        let unit = try TimeUnit(parameters)
        if let query = try AggregationQuery.ifAsked(channel: channel, parameters, unit, now: clock.now()) {
            let listing = try await store.aggregate(query)
            return .page(AggregationDocument(query: query, listing: listing, unit: unit).json())
        }
        let query = try MessageQuery(channel: channel, parameters, unit)
        let listing = try await store.messages(query)
        return .page(MessagePageDocument(query, listing, in: unit).json())
    }

    private func readLatest(_ request: Request, _ context: ServiceRequestContext) async throws -> Response {
        let parameters = try QueryParameters(request)
        let channel = try await access.authorize(try ReaderAccess.Question(request, context))
        let unit = try TimeUnit(parameters)
        let query = try LatestQuery(channel: channel, parameters, unit)
        let listing = try await store.latest(query)
        return .page(MessagePageDocument(query, listing, in: unit).json())
    }
}

extension Response {
    /// A list as it was written: never kept by anybody on the way.
    static func page(_ json: [UInt8]) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json)))
    }
}
