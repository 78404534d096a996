// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import NIOCore
import NIOPosix
import Synchronization
import TestKit

/// A client that publishes numbered messages with QoS 1 to itself, one after the other: each must be acknowledged and come back, in order.
final class SessionControl: Sendable {
    private struct State {
        var next = 0
        var isAcknowledged = false
        var hasArrived = false
        var isEnding = false
        var isIdle = false
        var failure: String?
    }

    private let device: ThingsByContract.Device
    private let topic: String
    private let state = Mutex(State())
    private let channel = Mutex<(any Channel)?>(nil)

    init(device: ThingsByContract.Device, topic: String) {
        self.device = device
        self.topic = topic
    }

    func begin(port: Int) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(self))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        self.channel.withLock { $0 = channel }
    }

    /// - Returns: how many messages came back.
    func end() async throws -> Int {
        state.withLock { $0.isEnding = true }
        try await eventually("the control client's last message comes back") {
            state.withLock { $0.isIdle || $0.failure != nil }
        }
        let (failure, count) = state.withLock { ($0.failure, $0.next) }
        channel.withLock { $0 }?.close(promise: nil)
        if let failure { throw SessionAttack.Failure(description: "control client: \(failure)") }
        guard count > 0 else { throw SessionAttack.Failure(description: "control client: nothing came back") }
        return count
    }

    private func arrived(_ packet: Packet) -> [Packet] {
        state.withLock { state in
            switch packet {
            case .connAck(let answer) where answer.reason == .success:
                guard let filter = try? TopicFilter(topic) else { return [] }
                let request = Subscribe.Request(filter, SubscriptionOptions(maximumQoS: .atLeastOnce))
                return [.subscribe(Subscribe(packetIdentifier: 1, requests: [request]))]
            case .subAck(let answer) where answer.reasons == [.grantedQoS1]: return [message(0)]
            case .pubAck(let answer) where answer.reason == .success:
                state.isAcknowledged = true
                return goOn(&state)
            case .publish(let publish) where String(buffer: publish.payload) == "\(state.next)":
                state.hasArrived = true
                let acknowledgement = Packet.pubAck(Acknowledgement(packetIdentifier: publish.packetIdentifier))
                return [acknowledgement] + goOn(&state)
            default:
                state.failure = state.failure ?? "\(packet), with \(state.next) on its way"
                return []
            }
        }
    }

    private func goOn(_ state: inout State) -> [Packet] {
        guard state.isAcknowledged, state.hasArrived else { return [] }
        state.isAcknowledged = false
        state.hasArrived = false
        state.next += 1
        state.isIdle = state.isEnding
        return state.isEnding ? [] : [message(state.next)]
    }

    private func message(_ number: Int) -> Packet {
        .publish(
            Publish(
                topic: topic, payload: ByteBuffer(string: "\(number)"), qos: .atLeastOnce,
                packetIdentifier: UInt16(number % 60_000 + 1)))
    }

    private func lost() { state.withLock { if !$0.isIdle { $0.failure = $0.failure ?? "it was cut off" } } }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let control: SessionControl
        private var pending = ByteBuffer()

        init(_ control: SessionControl) { self.control = control }

        func channelActive(context: ChannelHandlerContext) {
            send(
                [
                    .connect(
                        Connect(
                            version: .v5, keepAlive: 0, clientIdentifier: "control",
                            userName: control.device.id.description, password: Array(control.device.key.utf8)))
                ], context)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            pending.writeImmutableBuffer(unwrapInboundIn(data))
            let scanner = PacketScanner(maximumPacketSize: PacketScanner.largestPacket, version: .v5)
            while true {
                var length = 0
                let packet = pending.withUnsafeReadableBytes { bytes -> Packet? in
                    guard case .packet(let head)? = try? scanner.scan(bytes) else { return nil }
                    length = head.packetLength
                    return try? Packet(bytes, head: head, version: .v5, from: .server)
                }
                guard let packet else { break }
                pending.moveReaderIndex(forwardBy: length)
                send(control.arrived(packet), context)
            }
            pending.discardReadBytes()
        }

        private func send(_ packets: [Packet], _ context: ChannelHandlerContext) {
            var buffer = ByteBuffer()
            for packet in packets { packet.encode(into: &buffer, version: .v5) }
            if buffer.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(buffer), promise: nil) }
        }

        func channelInactive(context: ChannelHandlerContext) { control.lost() }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
