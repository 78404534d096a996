// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// `GET /channels/{id}/dead-letters`, also below a domain.
struct DeadLetterRoutes: Sendable {
    let store: any MessageStore
    let access: ReaderAccess

    func add(to routes: RouteTable) {
        let operation = Operation(
            "Read what of a channel's messages could not be stored, and why, the latest refused first, with a thing's key that may subscribe to "
                + "the channel (`Thing <key>`, `Client <key>`, Basic) or the token of a person of its domain (`Bearer <token>`)",
            tag: "messages", access: .custom, parameters: ReaderParameters.deadLetters,
            responseBody: DeadLetterSchemas.page, errors: [401, 403, 404, 422])
        for prefix in ["", "/:domain"] {
            routes.get("\(prefix)/channels/:id/dead-letters", operation) { request, context in
                try await read(request, context)
            }
        }
    }

    private func read(_ request: Request, _ context: ServiceRequestContext) async throws -> Response {
        let parameters = try QueryParameters(request)
        let channel = try await access.authorize(try ReaderAccess.Question(request, context))
        let unit = try TimeUnit(parameters)
        let query = try DeadLetterQuery(channel: channel, parameters, unit)
        let listing = try await store.deadLetters(query)
        return .page(DeadLetterPageDocument(query: query, listing: listing, unit: unit).json())
    }
}
