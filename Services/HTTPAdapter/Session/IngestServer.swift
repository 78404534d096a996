// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore
import NIOHTTP1
import NIOPosix
import Observability
import ServiceKit

/// Listens, hands each connection to the ``IngestLoop`` of its event loop, and at the end lets answers in flight go out.
struct IngestServer: Service, CustomStringConvertible {
    let group: any EventLoopGroup
    /// One for each event loop of the group, by the event loop's identity.
    let loops: [ObjectIdentifier: NIOLoopBound<IngestLoop>]
    let limits: ConnectionLimits
    let host: String
    let port: Int
    let boundPort: BoundPort
    let logger: Logger

    var description: String { "http" }

    func run() async throws {
        for loop in loops.values {
            try await loop.eventLoop.submit { loop.value.start() }.get()
        }
        let channel = try await bootstrap().bind(host: host, port: port).get()
        let bound = channel.localAddress?.port ?? port
        logger.info("listens", metadata: [LogKey.address: "\(host)", LogKey.port: "\(bound)"])
        boundPort.set(bound)
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await channel.closeFuture.get()
        } onCancelOrGracefulShutdown: {
            channel.close(promise: nil)
        }
        // All at once: they share the time that there is.
        let drained = loops.values.map { loop in loop.eventLoop.flatSubmit { loop.value.drain() } }
        for future in drained { try await future.get() }
    }

    private func bootstrap() -> ServerBootstrap {
        let loops = loops
        let decoderLimits = limits.decoder
        return ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 1_024)
            // Small messages: an answer must not wait for the acknowledgement of the one before (Nagle).
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // Begins small, so that idle connections cost little, and grows with what a client sends.
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 2_048, maximum: 65_536)
            )
            .childChannelOption(
                .writeBufferWaterMark, value: ChannelOptions.Types.WriteBufferWaterMark(low: 32 << 10, high: 64 << 10)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = loops[ObjectIdentifier(channel.eventLoop)] else {
                        throw ChannelError.operationUnsupported
                    }
                    let connection = ConnectionHandler(loop: loop.value)
                    let decoder = HTTPRequestDecoder(
                        leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop,
                        limitConfiguration: decoderLimits)
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(ArrivalHandler(connection), name: ConnectionHandler.arrivalName)
                    try pipeline.addHandler(ByteToMessageHandler(decoder), name: ConnectionHandler.decoderName)
                    try pipeline.addHandler(connection)
                }
            }
    }
}
