// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Synchronization

/// Stands between an adapter and the bus, and can keep the bus's answers to itself: what was asked is done, and nobody gets to know.
final class BusProxy: Sendable {
    private struct State {
        var isMuted = false
        var channels: [any Channel] = []
    }

    private let state = Mutex(State())
    private let target: String

    private init(target: String) { self.target = target }

    /// Listens on a Unix socket, for as long as the process runs.
    static func start(listeningOn path: String, to target: String) async throws -> BusProxy {
        let proxy = BusProxy(target: target)
        _ = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton.next())
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { proxy.accept($0) }
            .bind(unixDomainSocketPath: path).get()
        return proxy
    }

    /// From now on answers are thrown away.
    func mute() { state.withLock { $0.isMuted = true } }

    /// Closes all connections; those that come next are passed on in both directions.
    func cut() {
        let channels = state.withLock { state in
            defer { state = State() }
            return state.channels
        }
        for channel in channels { channel.close(promise: nil) }
    }

    private func accept(_ client: any Channel) -> EventLoopFuture<Void> {
        ClientBootstrap(group: client.eventLoop)
            .channelInitializer { bus in
                bus.eventLoop.makeCompletedFuture {
                    try bus.pipeline.syncOperations.addHandler(Forwarder(to: client) { self.state.withLock(\.isMuted) })
                }
            }
            .connect(unixDomainSocketPath: target)
            .flatMapThrowing { bus in
                try client.pipeline.syncOperations.addHandler(Forwarder(to: bus) { false })
                self.state.withLock { $0.channels += [client, bus] }
                client.setOption(.autoRead, value: true).whenFailure { _ in bus.close(promise: nil) }
            }
    }

    private final class Forwarder: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let other: any Channel
        private let isMuted: () -> Bool

        init(to other: any Channel, isMuted: @escaping () -> Bool) {
            self.other = other
            self.isMuted = isMuted
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard !isMuted() else { return }
            other.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
