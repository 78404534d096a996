// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// `GET /channels/{id}/export`, also below a domain.
struct ExportRoutes: Sendable {
    let store: any MessageStore
    let access: ReaderAccess
    let clock: WallClock
    let slots: ExportSlots
    let metrics: ExportMetrics

    func add(to routes: RouteTable) {
        let operation = Operation(
            "Export a channel's messages, oldest first, as a stream of any length: `ndjson`, `csv`, `senml-json`, `senml-cbor` by `as` or by "
                + "`Accept`. With a thing's key that may subscribe to the channel or the token of a person of its domain. A stream that could "
                + "not be finished ends without its last chunk; 204: there is no record, and SenML knows no empty pack",
            tag: "messages", access: .custom, parameters: ReaderParameters.export,
            responseTypes: ExportForm.allCases.map(\.mediaType), otherSuccesses: [204], errors: [401, 403, 404, 422])
        for prefix in ["", "/:domain"] {
            routes.get("\(prefix)/channels/:id/export", operation) { request, context in
                try await export(request, context)
            }
        }
    }

    private func export(_ request: Request, _ context: ServiceRequestContext) async throws -> Response {
        let parameters = try QueryParameters(request)
        let question = try ReaderAccess.Question(request, context)
        let channel = try await access.authorize(question)
        let query = try ExportQuery(
            channel: channel, parameters, accepting: request.headers[values: .accept].joined(separator: ","),
            now: clock.now())
        let slot = try slots.take()
        // Before the head is sent: what keeps an export from beginning is told as everywhere.
        let first = try await store.messages(query.page(after: nil))
        if first.messages.isEmpty, query.form.isPack {
            metrics.count(.complete, query.form)
            return Response(status: .noContent, headers: [.cacheControl: "no-store"])
        }
        let stream = ExportStream(
            query: query, first: first, store: store,
            recheck: { () async throws(ServiceError) in try await access.recheck(question) },
            disconnect: context.disconnect, metrics: metrics, logger: context.logger, slot: slot)
        return Response(
            status: .ok,
            headers: [
                .contentType: query.form.contentType, .cacheControl: "no-store",
                .contentDisposition: "attachment; filename=\"\(channel).\(query.form.fileExtension)\"",
            ], body: ResponseBody { writer in try await stream.write(to: &writer) })
    }
}
