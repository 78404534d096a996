// SPDX-License-Identifier: Apache-2.0
import Core
import Hummingbird

/// Refuses what is too large or too often before anything is read or decided.
struct RequestLimitsMiddleware: RouterMiddleware {
    typealias Context = ServiceRequestContext

    let rateLimiter: RateLimiter?

    func handle(
        _ request: Request, context: ServiceRequestContext,
        next: (Request, ServiceRequestContext) async throws -> Response
    ) async throws -> Response {
        if let length = request.headers[.contentLength].flatMap(Int.init), length > HTTPLimits.bodyBytes {
            throw ServiceError(
                .payloadTooLarge, reason: "body-too-large", "the body is larger than \(HTTPLimits.bodyBytes) bytes")
        }
        if (request.uri.query ?? "").utf8.count > HTTPLimits.queryBytes {
            throw ServiceError(
                .malformed, reason: "query-too-long", "the query is longer than \(HTTPLimits.queryBytes) bytes")
        }
        try rateLimiter?.take(context.remoteAddress)
        return try await next(request, context)
    }
}
