// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestKit

/// Thousands of live connections of this process to one adapter, on one thread: what they get, and how late.
final class LiveSubscribers: Sendable {
    enum Kind: CaseIterable {
        case webSocket
        case events
    }

    /// What all of them got so far.
    struct Tally: Sendable {
        var messages = 0
        /// Of those that read.
        var ended = 0
        /// From before the publish was sent until the message was read here, in microseconds.
        var latencies: [Float] = []
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let tally = Mutex(Tally())
    private let channels = Mutex<[any Channel]>([])

    var snapshot: Tally { tally.withLock { $0 } }

    func reset() { tally.withLock { $0 = Tally() } }

    /// Opens so many, a hundred at a time.
    ///
    /// - Parameter reads: false for those that never read anything behind the handshake.
    func open(
        _ count: Int, _ kind: Kind, port: Int, device: Stack.Device, reads: Bool
    ) async throws {
        var rest = count
        while rest > 0 {
            let step = min(rest, 100)
            rest -= step
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<step {
                    group.addTask { try await self.open(kind, port: port, device: device, reads: reads) }
                }
                try await group.waitForAll()
            }
        }
    }

    private func open(_ kind: Kind, port: Int, device: Stack.Device, reads: Bool) async throws {
        let opened = group.next().makePromise(of: Void.self)
        let request = Self.request(kind, device)
        let channel = try await ClientBootstrap(group: group)
            .channelOption(.socketOption(.so_rcvbuf), value: reads ? 64 << 10 : 4 << 10)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 16 << 10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Subscriber(request: request, opened: opened, reads: reads) { [self] in take($0) })
                }
            }.connect(host: "127.0.0.1", port: port).get()
        channels.withLock { $0.append(channel) }
        try await opened.futureResult.get()
    }

    private func take(_ report: Subscriber.Report) {
        tally.withLock { tally in
            switch report {
            case .messages(let latencies):
                tally.messages += latencies.count
                tally.latencies += latencies
            case .ended: tally.ended += 1
            }
        }
    }

    func close() async throws {
        for channel in channels.withLock({ $0 }) { channel.close(promise: nil) }
        try await group.shutdownGracefully()
    }

    private static func request(_ kind: Kind, _ device: Stack.Device) -> String {
        let head = "GET \(device.publishPath) HTTP/1.1\r\nHost: bench\r\nAuthorization: Thing \(device.key)\r\n"
        switch kind {
        case .webSocket:
            return head
                + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        case .events: return head + "Accept: text/event-stream\r\n\r\n"
        }
    }
}

/// One connection. Messages carry `"t":<monotonic nanoseconds>,`, which is looked for; pings are answered.
private final class Subscriber: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Report {
        case messages([Float])
        case ended
    }

    private static let mark = Array(#""t":"#.utf8)

    private let request: String
    private let reads: Bool
    private let report: @Sendable (Report) -> Void
    private var opened: EventLoopPromise<Void>?
    /// What may be the beginning of a mark or of its number.
    private var tail: [UInt8] = []

    init(
        request: String, opened: EventLoopPromise<Void>, reads: Bool, report: @escaping @Sendable (Report) -> Void
    ) {
        self.request = request
        self.opened = opened
        self.reads = reads
        self.report = report
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let now = DispatchTime.now().uptimeNanoseconds
        let bytes = unwrapInboundIn(data)
        if let opened {
            self.opened = nil
            let head = String(decoding: bytes.readableBytesView.prefix(12), as: UTF8.self)
            if head.hasSuffix(" 101") || head.hasSuffix(" 200") {
                opened.succeed()
            } else {
                opened.fail(BenchmarkFailure(description: "a connection was refused: \(head)"))
            }
            if !reads { _ = context.channel.setOption(.autoRead, value: false) }
        }
        // A ping without content; it may be told from a message's bytes here, because those are text.
        if bytes.readableBytesView.suffix(2).elementsEqual([0x89, 0x00]) {
            context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(bytes: [0x8A, 0x80, 0, 0, 0, 0])), promise: nil)
        }
        let latencies = marks(in: bytes, now)
        if !latencies.isEmpty { report(.messages(latencies)) }
    }

    private func marks(in bytes: ByteBuffer, _ now: UInt64) -> [Float] {
        var text = tail
        text += bytes.readableBytesView
        var latencies: [Float] = []
        var offset = 0
        var kept = max(0, text.count - Self.mark.count + 1)
        text.withUnsafeBufferPointer { text in
            while offset + Self.mark.count <= text.count {
                guard text[offset] == Self.mark[0], text[offset + 1] == Self.mark[1], text[offset + 2] == Self.mark[2],
                    text[offset + 3] == Self.mark[3]
                else {
                    offset += 1
                    continue
                }
                var number: UInt64 = 0
                var end = offset + Self.mark.count
                while end < text.count, text[end] &- 48 < 10 {
                    number = number &* 10 &+ UInt64(text[end] - 48)
                    end += 1
                }
                guard end < text.count else {
                    kept = offset
                    return
                }
                latencies.append(Float(now &- number) / 1_000)
                offset = end
                kept = max(kept, offset)
            }
        }
        tail = Array(text[min(kept, text.count)...])
        return latencies
    }

    func channelInactive(context: ChannelHandlerContext) {
        opened?.fail(BenchmarkFailure(description: "a connection was closed before it was open"))
        opened = nil
        if reads { report(.ended) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
