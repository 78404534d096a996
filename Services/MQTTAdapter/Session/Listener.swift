// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import Observability
import ServiceKit

/// One port on which clients come.
struct Listener: Sendable {
    enum Kind: String, Sendable, CaseIterable {
        case tcp, tls
        case webSocket = "websocket"
        case webSocketTLS = "websocket-tls"

        var isTLS: Bool { self == .tls || self == .webSocketTLS }
    }

    let kind: Kind
    let host: String
    /// 0 takes any free one.
    let port: Int
    let tls: NIOSSLContext?
}

/// Takes up what an earlier process left, listens, and at the end tells every client and closes the store.
struct BrokerService: Service, CustomStringConvertible {
    let broker: NIOLoopBound<Broker>
    let bus: any Bus
    let store: any SessionStore
    let listeners: [Listener]
    let limits: BrokerLimits
    let logger: Logger

    var description: String { "mqtt" }

    func run() async throws {
        let state = try await store.load()
        let broker = broker
        try await broker.eventLoop.submit {
            broker.value.restore(state)
            broker.value.start()
        }.get()
        async let _: Void = ReceptionSearch(bus: bus, broker: broker, logger: logger).run()
        var channels: [any Channel] = []
        for listener in listeners {
            let channel = try await bootstrap(listener).bind(host: listener.host, port: listener.port).get()
            logger.info(
                "listens",
                metadata: [
                    "listener": "\(listener.kind.rawValue)", LogKey.address: "\(listener.host)",
                    LogKey.port: "\(channel.localAddress?.port ?? listener.port)",
                ])
            channels.append(channel)
        }
        let open = channels
        try await withTaskCancellationOrGracefulShutdownHandler {
            for channel in open { try await channel.closeFuture.get() }
        } onCancelOrGracefulShutdown: {
            for channel in open { channel.close(promise: nil) }
        }
        try await broker.eventLoop.flatSubmit { broker.value.drain() }.get()
        await store.close()
    }

    private func bootstrap(_ listener: Listener) -> ServerBootstrap {
        let broker = broker
        // Connections are served on the broker's event loop, whatever the group has.
        return ServerBootstrap(group: broker.eventLoop)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // A fleet comes back at once.
            .serverChannelOption(.backlog, value: 4_096)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // What the kernel holds unsent stays small: so it is seen that a slow client reads, and one that does not costs little.
            .childChannelOption(.tcpOption(.notSentLowWater), value: 128 << 10)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.recvAllocator, value: ReceiveBuffers())
            // Another read only when the one before was taken: what may have to wait is then kept where it lies.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .writeBufferWaterMark, value: ChannelOptions.Types.WriteBufferWaterMark(low: 32 << 10, high: 64 << 10)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls = listener.tls {
                        try pipeline.addHandler(NIOSSLServerHandler(context: tls))
                        try pipeline.addHandler(TLSFailures(broker: broker.value, listener: listener.kind))
                    }
                    let connection = Connection(broker: broker.value, listener: listener.kind)
                    switch listener.kind {
                    case .tcp, .tls: try pipeline.addHandler(connection)
                    case .webSocket, .webSocketTLS: try WebSocketUpgrade.add(to: pipeline, connection)
                    }
                }
            }
    }
}

extension NIOBSDSocket.Option {
    /// TCP_NOTSENT_LOWAT of `linux/tcp.h`, which Swift's Glibc module leaves out: bytes that may lie unsent in the socket (tcp(7)).
    fileprivate static let notSentLowWater = NIOBSDSocket.Option(rawValue: 25)
}
