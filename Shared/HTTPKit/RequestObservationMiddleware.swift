// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Messaging
import Observability

/// Gives each request its identifier and trace, writes the access log and counts by route template, method and status.
struct RequestObservationMiddleware: RouterMiddleware {
    typealias Context = ServiceRequestContext

    private let logger: Logger
    private let requests: LabelledMetric<Observability.Counter>
    private let durations: LabelledMetric<Observability.Histogram>
    private let inFlight: Observability.Gauge

    private let proxies: TrustedProxies
    private let refusals: RefusalReporter?

    init(metrics: MetricsRegistry, logger: Logger, proxies: TrustedProxies, refusals: RefusalReporter?) {
        self.logger = logger
        self.refusals = refusals
        self.proxies = proxies
        requests = metrics.counter(
            "martlet_http_requests_total", help: "HTTP requests by method, route template and status.",
            labels: ["method", "route", "status"])
        durations = metrics.histogram(
            "martlet_http_request_duration_seconds", help: "Time from the head of a request to its response.",
            labels: ["method", "route"])
        inFlight = metrics.gauge("martlet_http_requests_in_flight", help: "HTTP requests being answered.")
    }

    func handle(
        _ request: Request, context: ServiceRequestContext,
        next: (Request, ServiceRequestContext) async throws -> Response
    ) async throws -> Response {
        let begin = ContinuousClock.now
        var context = context
        context.requestID = Self.requestID(request)
        context.remoteAddress = proxies.callerAddress(
            peer: context.remoteAddress, forwardedFor: request.headers[.forwardedFor])
        context.trace = TraceContext.continuing(request.headers[.traceparent])
        context.logger = logger
        context.logger[metadataKey: LogKey.requestID] = "\(context.requestID)"
        inFlight.increment()
        defer { inFlight.decrement() }
        var response = try await TraceContext.$current.withValue(context.trace) {
            try await RequestOrigin.$current.withValue(context.origin) { try await next(request, context) }
        }
        refusals?.report(request, context, status: Int(response.status.code))
        response.headers[.requestID] = context.requestID
        record(request, context: context, response: response, duration: .now - begin)
        return response
    }

    private func record(
        _ request: Request, context: ServiceRequestContext, response: Response, duration: ContinuousClock.Duration
    ) {
        let method = Self.knownMethods.contains(request.method) ? request.method.rawValue : "OTHER"
        // What matched no route must not make a time series of its own.
        let route = context.endpointPath ?? "NotFound"
        requests.with(method, route, String(response.status.code)).increment()
        durations.with(method, route).observe(duration)
        let (seconds, attoseconds) = duration.components
        context.logger.info(
            "request",
            metadata: [
                LogKey.method: "\(method)", LogKey.route: "\(route)",
                LogKey.status: .stringConvertible(response.status.code),
                LogKey.durationMilliseconds: .stringConvertible(
                    Int(seconds * 1_000 + attoseconds / 1_000_000_000_000_000)),
                LogKey.address: "\(context.remoteAddress)", LogKey.traceID: "\(context.trace.traceID)",
            ])
    }

    private static let knownMethods: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .patch, .delete, .options]

    /// The caller's identifier, when it cannot do harm in a log or a header; ours otherwise.
    private static func requestID(_ request: Request) -> String {
        if let given = request.headers[.requestID], (1...64).contains(given.utf8.count),
            given.utf8.allSatisfy({
                $0 == 0x2D || $0 == 0x5F || (0x30...0x39).contains($0) || (0x41...0x5A).contains($0)
                    || (0x61...0x7A).contains($0)
            })
        {
            return given
        }
        return UUID().uuidString.lowercased()
    }
}

extension HTTPField.Name {
    /// `X-Request-Id`. The literal is a valid field name.
    static let requestID = HTTPField.Name("X-Request-Id") ?? .from
    /// `X-Forwarded-For`. The literal is a valid field name.
    static let forwardedFor = HTTPField.Name("X-Forwarded-For") ?? .from
    /// `traceparent`, W3C Trace Context. The literal is a valid field name.
    static let traceparent = HTTPField.Name("traceparent") ?? .from
}
