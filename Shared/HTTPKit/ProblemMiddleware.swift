// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Observability
import ServiceKit

/// Turns every error into a problem document: ours by kind, Hummingbird's by status, everything else into a 500 whose cause is only logged.
struct ProblemMiddleware: RouterMiddleware {
    typealias Context = ServiceRequestContext

    /// The methods that a path has.
    let allowedMethods: @Sendable (String) -> [String]

    func handle(
        _ request: Request, context: ServiceRequestContext,
        next: (Request, ServiceRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let refusal as ServiceError {
            return respond(refusal, context: context)
        } catch let error as HTTPError {
            return respond(error, request: request, context: context)
        } catch is NIOTooManyBytesError {
            return respond(
                ServiceError(
                    .payloadTooLarge, reason: "body-too-large", "the body is larger than \(HTTPLimits.bodyBytes) bytes"),
                context: context)
        } catch let error as DecodingError {
            return respond(JSONBody.refusal(error), context: context)
        } catch let error as any ServiceErrorConvertible {
            return respond(error.serviceError, context: context)
        } catch is CancellationError {
            return respond(
                ServiceError(
                    .unavailable, reason: "shutting-down", "the service is shutting down", retryAfterSeconds: 1),
                context: context)
        } catch {
            let detail = String(reflecting: error)
            return respond(
                ServiceError(.internalFailure, reason: "internal", "something went wrong on our side", detail: detail),
                context: context)
        }
    }

    private func respond(_ error: HTTPError, request: Request, context: ServiceRequestContext) -> Response {
        if error.status == .notFound, context.endpointPath == "NotFound" {
            let allowed = allowedMethods(request.uri.path)
            if !allowed.isEmpty {
                var response = Self.response(
                    context,
                    ProblemDocument(
                        status: 405, title: "Method Not Allowed", reason: "method-not-allowed",
                        detail: "this path takes \(allowed.joined(separator: ", "))", requestID: context.requestID))
                response.headers[.allow] = allowed.joined(separator: ", ")
                return response
            }
            return Self.response(
                context,
                ProblemDocument(
                    status: 404, title: "Not Found", reason: "no-such-route", detail: "there is nothing at this path",
                    requestID: context.requestID))
        }
        let status = Int(error.status.code)
        if status >= 500 {
            context.logger.error("request failed", metadata: [LogKey.error: "\(error)"])
        }
        return Self.response(
            context,
            ProblemDocument(
                status: status, title: error.status.reasonPhrase, reason: "http-\(status)",
                detail: status < 500 ? error.body ?? error.status.reasonPhrase : "something went wrong on our side",
                requestID: context.requestID))
    }

    private func respond(_ refusal: ServiceError, context: ServiceRequestContext) -> Response {
        switch refusal.kind {
        case .internalFailure:
            context.logger.error(
                "request failed",
                metadata: [LogKey.reason: "\(refusal.reason)", LogKey.detail: "\(refusal.detail ?? refusal.message)"])
        case .unavailable:
            context.logger.warning(
                "request refused",
                metadata: [LogKey.reason: "\(refusal.reason)", LogKey.detail: "\(refusal.detail ?? "")"])
        default:
            context.logger.debug(
                "request refused",
                metadata: [LogKey.reason: "\(refusal.reason)", LogKey.detail: "\(refusal.detail ?? "")"])
        }
        var response = Self.response(context, ProblemDocument(refusal, requestID: context.requestID))
        if let seconds = refusal.retryAfterSeconds {
            response.headers[.retryAfter] = String(seconds)
        }
        if refusal.kind == .unauthenticated {
            // RFC 9110 section 15.5.2: a 401 must carry a challenge.
            response.headers[.wwwAuthenticate] = "Bearer realm=\"martlet\""
        }
        return response
    }

    private static func response(_ context: ServiceRequestContext, _ problem: ProblemDocument) -> Response {
        context.caller.reason = problem.reason
        let body = problem.json()
        return Response(
            status: HTTPResponse.Status(code: problem.status),
            headers: [
                .contentType: ProblemDocument.contentType, .contentLength: String(body.count),
                .cacheControl: "no-store",
            ],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }
}
