// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import NIOCore
import NIOHTTP1
import NIOPosix

/// Two servers that read a request and answer 202 to whatever it is: what HTTP alone costs here. Each runs in a process of its own
/// (`bench http-peer hummingbird <port>`).
enum BareServer: String, CaseIterable {
    case hummingbird
    case nio

    var title: String {
        switch self {
        case .hummingbird: "bare Hummingbird, answers 202"
        case .nio: "bare NIO handler, answers 202"
        }
    }

    func run(port: Int) async throws {
        switch self {
        case .hummingbird:
            let router = Router()
            router.post("**") { request, _ -> HTTPResponse.Status in
                _ = try await request.body.collect(upTo: 1 << 20)
                return .accepted
            }
            let application = Application(
                router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)))
            try await application.run()
        case .nio:
            let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelOption(.backlog, value: 1_024)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                            withPipeliningAssistance: false, withErrorHandling: false)
                        try channel.pipeline.syncOperations.addHandler(AcceptEverything())
                    }
                }
                .bind(host: "127.0.0.1", port: port).get()
            try await channel.closeFuture.get()
        }
    }
}

private final class AcceptEverything: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        let head = HTTPResponseHead(version: .http1_1, status: .accepted, headers: ["Content-Length": "0"])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
