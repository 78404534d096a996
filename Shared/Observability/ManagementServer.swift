// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A very small HTTP server for `GET /health` and `GET /metrics`, for processes that speak no HTTP otherwise.
public final class ManagementServer: Sendable {
    /// Open connections at most; a scraper and an orchestrator need two. More are closed at once.
    static let maximumConnections = 64
    /// A connection that is silent for so long is closed.
    static let idleSeconds: Int64 = 60

    private let health: HealthRegistry
    private let metrics: MetricsRegistry
    private let group: any EventLoopGroup
    private let connections = Atomic<Int>(0)

    public init(health: HealthRegistry, metrics: MetricsRegistry, eventLoopGroup: any EventLoopGroup) {
        self.health = health
        self.metrics = metrics
        self.group = eventLoopGroup
    }

    /// Listens, and answers until the channel is closed.
    ///
    /// - Parameter port: 0 for any free one; the returned channel's `localAddress` says which.
    public func start(host: String, port: Int) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [self] channel in
                guard connections.wrappingAdd(1, ordering: .relaxed).newValue <= Self.maximumConnections else {
                    connections.wrappingSubtract(1, ordering: .relaxed)
                    return channel.close()
                }
                channel.closeFuture.whenComplete { _ in self.connections.wrappingSubtract(1, ordering: .relaxed) }
                return channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(IdleStateHandler(allTimeout: .seconds(Self.idleSeconds)))
                    try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: true, withErrorHandling: true)
                    try pipeline.addHandler(ManagementHandler(health: self.health, metrics: self.metrics))
                }
            }
            .bind(host: host, port: port)
            .get()
    }
}

private final class ManagementHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let health: HealthRegistry
    private let metrics: MetricsRegistry
    private var head: HTTPRequestHead?

    init(health: HealthRegistry, metrics: MetricsRegistry) {
        self.health = health
        self.metrics = metrics
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            self.head = nil
            answer(head, context: context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func answer(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        let path = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
        guard path == "/health" || path == "/metrics" else {
            return respond(
                head, context: context, status: .notFound, contentType: "text/plain", body: Array("not found\n".utf8))
        }
        guard head.method == .GET || head.method == .HEAD else {
            return respond(
                head, context: context, status: .methodNotAllowed, contentType: "text/plain",
                body: Array("only GET and HEAD\n".utf8), extra: [("Allow", "GET, HEAD")])
        }
        if path == "/metrics" {
            let body = Array(metrics.exposition().utf8)
            return respond(head, context: context, status: .ok, contentType: MetricsRegistry.contentType, body: body)
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let health = self.health
        context.eventLoop.makeFutureWithTask { await health.report() }
            .whenSuccess { report in
                let (handler, context) = bound.value
                handler.respond(
                    head, context: context, status: HTTPResponseStatus(statusCode: report.httpStatus),
                    contentType: HealthReport.contentType, body: report.json())
            }
    }

    private func respond(
        _ head: HTTPRequestHead, context: ChannelHandlerContext, status: HTTPResponseStatus, contentType: String,
        body: [UInt8], extra: [(String, String)] = []
    ) {
        var headers = HTTPHeaders([
            ("Content-Type", contentType), ("Content-Length", String(body.count)), ("Cache-Control", "no-store"),
        ])
        headers.add(contentsOf: extra)
        let close = !head.isKeepAlive
        if close { headers.add(name: "Connection", value: "close") }
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: status, headers: headers))),
            promise: nil)
        if head.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
        }
        let promise = close ? context.eventLoop.makePromise(of: Void.self) : nil
        if let promise {
            let channel = context.channel
            promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: promise)
    }
}
