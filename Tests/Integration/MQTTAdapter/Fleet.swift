// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import NIOPosix
import Synchronization
import TestKit

/// Many devices that do the same: connect, come back at once whenever they are cut off, subscribe, publish. Counted together.
final class Fleet: Sendable {
    struct Counts: Equatable {
        var connected = 0
        /// CONNACKs of this round that accepted, and those of them that found their session.
        var accepted = 0
        var present = 0
        var subscribed = 0
        var acknowledged = 0
        /// What should not come: refusals of any packet, DISCONNECT.
        var refusals: [String] = []
    }

    private struct State {
        var counts = Counts()
        var isComingBack = true
    }

    private let port: Int
    private let state = Mutex(State())
    private let members = Mutex<[Int: any Channel]>([:])
    private let connects: [Connect]
    private let group = MultiThreadedEventLoopGroup.singleton

    /// - Parameter connects: one for each device; MQTT 3.1.1 and 5 may be mixed.
    init(port: Int, connects: [Connect]) {
        self.port = port
        self.connects = connects
    }

    var count: Int { connects.count }
    var counts: Counts { state.withLock(\.counts) }

    /// Begins to count anew; who is connected stays so.
    func beginRound() {
        state.withLock { state in
            let connected = state.counts.connected
            state.counts = Counts()
            state.counts.connected = connected
        }
    }

    /// All connect at once.
    func connect() { for index in connects.indices { connect(index) } }

    /// All send the same packet.
    func send(_ packet: Packet) {
        for (index, channel) in members.withLock({ $0 }) {
            channel.writeAndFlush(bytes(packet, index), promise: nil)
        }
    }

    /// Nobody comes back any more.
    func close() {
        state.withLock { $0.isComingBack = false }
        for channel in members.withLock(\.values) { channel.close(promise: nil) }
    }

    private func bytes(_ packet: Packet, _ index: Int) -> ByteBuffer {
        var buffer = ByteBuffer()
        packet.encode(into: &buffer, version: connects[index].version)
        return buffer
    }

    private func connect(_ index: Int) {
        let loop = group.next()
        ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Member(self, index))
                }
            }
            .connect(host: "127.0.0.1", port: port)
            .whenFailure { _ in self.comeBack(index, loop) }
    }

    private func comeBack(_ index: Int, _ loop: any EventLoop) {
        guard state.withLock(\.isComingBack) else { return }
        loop.scheduleTask(in: .milliseconds(20)) { self.connect(index) }
    }

    private func arrived(_ packet: Packet, _ index: Int, _ channel: any Channel) {
        state.withLock { state in
            switch packet {
            case .connAck(let answer) where answer.reason == .success:
                state.counts.connected += 1
                state.counts.accepted += 1
                if answer.sessionPresent { state.counts.present += 1 }
            case .subAck(let answer) where answer.reasons.allSatisfy { !$0.isFailure }: state.counts.subscribed += 1
            case .pubAck(let answer) where answer.reason == .success: state.counts.acknowledged += 1
            case .publish: break
            default: state.counts.refusals.append("\(packet)")
            }
        }
        if case .connAck(let answer) = packet, answer.reason == .success {
            members.withLock { $0[index] = channel }
        }
    }

    private func lost(_ index: Int, _ loop: any EventLoop) {
        if members.withLock({ $0.removeValue(forKey: index) }) != nil { state.withLock { $0.counts.connected -= 1 } }
        comeBack(index, loop)
    }

    private final class Member: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let fleet: Fleet
        private let index: Int
        private var pending = ByteBuffer()

        init(_ fleet: Fleet, _ index: Int) {
            self.fleet = fleet
            self.index = index
        }

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(NIOAny(fleet.bytes(.connect(fleet.connects[index]), index)), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            pending.writeImmutableBuffer(unwrapInboundIn(data))
            let version = fleet.connects[index].version
            let scanner = PacketScanner(maximumPacketSize: PacketScanner.largestPacket, version: version)
            while true {
                var length = 0
                let packet = pending.withUnsafeReadableBytes { bytes -> Packet? in
                    guard case .packet(let head)? = try? scanner.scan(bytes) else { return nil }
                    length = head.packetLength
                    return try? Packet(bytes, head: head, version: version, from: .server)
                }
                guard let packet else { break }
                pending.moveReaderIndex(forwardBy: length)
                fleet.arrived(packet, index, context.channel)
            }
            pending.discardReadBytes()
        }

        func channelInactive(context: ChannelHandlerContext) { fleet.lost(index, context.eventLoop) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
