// SPDX-License-Identifier: Apache-2.0
import Core
import Hummingbird
import HummingbirdCore
import Identity
import NIOCore
import Observability
import ServiceKit

/// A service's HTTP API: its operations behind the middlewares that all of them share, `/health`, `/metrics` and `/openapi.json`.
///
///     let http = HTTPApplication(environment: environment, title: "Things", verifier: verifier)
///     ThingRoutes(store: store).add(to: http.routes)
///     return [http.service(host: "127.0.0.1", port: 8182)]
public struct HTTPApplication: Sendable {
    /// Declare the operations here, before ``service(host:port:)``.
    public let routes: RouteTable

    private let environment: ServiceEnvironment
    private let title: String
    private let rateLimiter: RateLimiter?
    private let refusals: RefusalReporter?
    private let deadlines: ConnectionDeadlines

    /// - Parameters:
    ///   - title: of the API, for its document.
    ///   - verifier: needed as soon as an operation asks for a person.
    ///   - rateLimiter: per caller's address, for all operations; nil: none.
    ///   - refusals: tells the journal what was refused; run it beside the server.
    ///   - deadlines: how slow a client may be.
    public init(
        environment: ServiceEnvironment, title: String, verifier: (any AccessTokenVerifier)?,
        rateLimiter: RateLimiter? = nil, refusals: RefusalReporter? = nil,
        deadlines: ConnectionDeadlines = ConnectionDeadlines()
    ) {
        self.environment = environment
        self.title = title
        self.rateLimiter = rateLimiter
        self.refusals = refusals
        self.deadlines = deadlines
        routes = RouteTable(verifier: verifier)
    }

    /// The server.
    ///
    /// - Parameter port: 0 for any free one; `environment.httpPort` says which.
    public func service(host: String, port: Int) -> any Service {
        addStandardRoutes()
        let entries = routes.entries
        let router = Router(context: ServiceRequestContext.self, options: .autoGenerateHeadEndpoints)
        router.add(
            middleware: RequestObservationMiddleware(
                metrics: environment.metrics, logger: environment.logger,
                proxies: TrustedProxies(environment.configuration.optional(StandardKeys.trustedProxies) ?? "loopback"),
                refusals: refusals))
        router.add(
            middleware: ProblemMiddleware(allowedMethods: { RouteTable.allowedMethods(entries, path: $0) }))
        router.add(middleware: RequestLimitsMiddleware(rateLimiter: rateLimiter))
        routes.install(in: router)

        let deadlines = deadlines
        let cut = environment.metrics.counter(
            "martlet_http_connections_cut_total", help: "Connections ended because the client was too slow, by reason.",
            labels: ["reason"])
        let bound = environment.httpPort
        let logger = environment.logger
        return Application(
            router: router,
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [ConnectionDeadlineHandler(deadlines: deadlines, cut: cut)],
                    idleTimeout: deadlines.idle,
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: HTTPLimits.headerBytes, maxHeaderListSize: HTTPLimits.headerBytes,
                        maxHeaderFieldCount: 100))),
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: nil,
                availableConnectionsDelegate: MaximumAvailableConnections(HTTPLimits.connections)),
            onServerRunning: { channel in
                let port = channel.localAddress?.port ?? port
                logger.info("HTTP port listens", metadata: [LogKey.address: "\(host)", LogKey.port: "\(port)"])
                bound.set(port)
            },
            eventLoopGroupProvider: .shared(environment.eventLoopGroup),
            logger: logger)
    }

    private func addStandardRoutes() {
        let health = environment.health
        let metrics = environment.metrics
        routes.undocumented(.get, "/health") { _, _ in
            let report = await health.report()
            return Response(
                status: HTTPResponse.Status(code: report.httpStatus),
                headers: [.contentType: HealthReport.contentType, .cacheControl: "no-store"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: report.json())))
        }
        routes.undocumented(.get, "/metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: MetricsRegistry.contentType],
                body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.exposition())))
        }
        let document = OpenAPIDocument(title: title, version: Version.current, entries: routes.entries).json()
        routes.undocumented(.get, "/openapi.json") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: document)))
        }
    }
}
