// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestKit

/// Thousands of live subscribers of this process, on one thread: what they get, and how late.
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

    /// Opens so many connections, a hundred at a time.
    ///
    /// - Parameters:
    ///   - reads: false for those that never read anything behind the handshake.
    ///   - addresses: of this machine, from which they come in turn; none: the system chooses.
    func open(
        _ count: Int, _ kind: Kind, port: Int, device: Stack.Device, reads: Bool, from addresses: [String] = []
    ) async throws {
        var next = 0
        while next < count {
            let numbers = next..<min(next + 100, count)
            next = numbers.upperBound
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in numbers {
                    let address = addresses.isEmpty ? nil : addresses[number % addresses.count]
                    group.addTask { try await self.open(kind, port: port, device: device, reads: reads, from: address) }
                }
                try await group.waitForAll()
            }
        }
    }

    private func open(_ kind: Kind, port: Int, device: Stack.Device, reads: Bool, from address: String?) async throws {
        let request = Self.request(kind, device)
        try await connect(port: port, receiveBufferBytes: reads ? 64 << 10 : 4 << 10, from: address) { opened in
            LiveSubscriber(request: request, opened: opened, reads: reads) { [self] in take($0) }
        }
    }

    /// Opens one connection of HTTP/2 with a stream for each plan.
    ///
    /// - Parameter readsSocket: false for one that never reads anything once all its streams are open.
    func openStreams(_ plans: [StreamSubscribers.Plan], port: Int, readsSocket: Bool) async throws {
        try await connect(port: port, receiveBufferBytes: readsSocket ? 256 << 10 : 4 << 10, from: nil) { opened in
            StreamSubscribers(plans, readsSocket: readsSocket, opened: opened) { [self] in take($0) }
        }
    }

    private func connect(
        port: Int, receiveBufferBytes: Int, from address: String?,
        _ makeHandler: @escaping @Sendable (EventLoopPromise<Void>) -> some ChannelHandler
    ) async throws {
        let opened = group.next().makePromise(of: Void.self)
        var bootstrap = ClientBootstrap(group: group)
            .channelOption(.socketOption(.so_rcvbuf), value: .init(receiveBufferBytes))
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 16 << 10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(makeHandler(opened))
                }
            }
        if let address { bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: address, port: 0)) }
        let channel: any Channel
        do {
            channel = try await bootstrap.connect(host: "127.0.0.1", port: port).get()
        } catch {
            opened.fail(error)
            throw error
        }
        channels.withLock { $0.append(channel) }
        try await opened.futureResult.get()
    }

    private func take(_ report: LiveReport) {
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
