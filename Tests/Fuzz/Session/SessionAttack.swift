// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import NIOPosix
import Synchronization
import TestKit

/// Many conversations with a server at the same time, which it has to survive, and beside them one that it has to serve rightly.
package struct SessionAttack {
    package struct Totals: CustomStringConvertible, Sendable {
        package var connections = 0
        package var accepted = 0
        package var bytes = 0
        package var controlMessages = 0

        package var description: String {
            "\(connections) connections, \(accepted) accepted, \(bytes) bytes; beside them \(controlMessages) messages in order"
        }
    }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    private static let concurrency = 64
    /// For a server to close what its time-outs end; measures nothing.
    private static let patience = Duration.seconds(30)

    private let port: Int
    private let generator: SessionGenerator
    private let controlDevice: ThingsByContract.Device
    private let controlTopic: String

    /// - Parameters:
    ///   - control: a thing of its own, whose client is served all the time.
    ///   - channel: that all things may publish and subscribe to.
    package init(
        port: Int, devices: [ThingsByContract.Device], control: ThingsByContract.Device, channel: String
    ) {
        self.port = port
        generator = SessionGenerator(devices: devices, topic: "channels/\(channel)/messages/fuzz")
        controlDevice = control
        controlTopic = "channels/\(channel)/messages/control"
    }

    /// - Throws: ``Failure`` when the control client was served wrongly or not at all, or a connection stayed open that the server had to close.
    package func run(connections: Int, seed: UInt64) async throws -> Totals {
        var random = SeededRandom(seed: seed)
        var totals = Totals()
        let control = SessionControl(device: controlDevice, topic: controlTopic)
        try await control.begin(port: port)
        try await withThrowingTaskGroup(of: (accepted: Bool, bytes: Int).self) { group in
            for number in 0..<connections {
                if number >= Self.concurrency, let done = try await group.next() { totals.add(done) }
                let conversation = generator.conversation(&random)
                group.addTask { try await talk(conversation, "seed \(seed), connection \(number)") }
            }
            for try await done in group { totals.add(done) }
        }
        totals.controlMessages = try await control.end()
        return totals
    }

    private func talk(
        _ conversation: SessionGenerator.Conversation, _ name: String
    ) async throws -> (accepted: Bool, bytes: Int) {
        let listener = Listener()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(listener.handler)
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        for bytes in conversation.writes {
            // The server may have closed it by then.
            guard (try? await channel.writeAndFlush(ByteBuffer(bytes: bytes))) != nil else { break }
        }
        switch conversation.end {
        case .close: break
        case .halfClose: try? await channel.close(mode: .output)
        case .silence: break
        }
        if conversation.end != .close {
            // Its CONNECT is over in time, or its keep-alive of a second, unless a mutation made that longer.
            do {
                try await eventually("it is closed", deadline: Self.patience) {
                    !channel.isActive || (listener.isAccepted && conversation.end == .silence)
                }
            } catch {
                channel.close(promise: nil)
                throw Failure(description: "\(name): the server left it open: \(conversation)")
            }
        }
        try? await channel.close()
        return (listener.isAccepted, conversation.writes.reduce(0) { $0 + $1.count })
    }

    /// Whether CONNECT was accepted.
    private final class Listener: Sendable {
        private let first = Mutex<[UInt8]>([])
        var isAccepted: Bool { first.withLock { $0.count >= 4 && $0[0] == 0x20 && $0[3] == 0 } }
        var handler: Handler { Handler(self) }

        final class Handler: ChannelInboundHandler {
            typealias InboundIn = ByteBuffer
            private let listener: Listener
            init(_ listener: Listener) { self.listener = listener }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                let buffer = unwrapInboundIn(data)
                listener.first.withLock { if $0.count < 4 { $0 += buffer.readableBytesView.prefix(4 - $0.count) } }
            }

            func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
        }
    }
}

extension SessionAttack.Totals {
    fileprivate mutating func add(_ done: (accepted: Bool, bytes: Int)) {
        connections += 1
        bytes += done.bytes
        if done.accepted { accepted += 1 }
    }
}
