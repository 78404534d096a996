// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import Messaging
import NIOCore
import NIOPosix
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The bus over the daemon's Unix socket.
///
/// Connecting happens in the background and for ever, with jittered back-off: ``connect(_:on:logger:)`` returns at once, and everything but
/// ``subscribe(_:queueGroup:)`` and ``consume(stream:_:)``, which wait, throws ``BusError/disconnected`` meanwhile. There is no hidden queue: what
/// was taken while there was a connection is either sent on that connection or fails with it.
///
///     let bus = SocketBus.connect(SocketBusConfiguration(path: "/run/martlet/bus.sock", name: "things"), logger: logger)
///     try await bus.waitUntilConnected(timeout: .seconds(30))
///
/// Everything that is queued to be sent goes out in one write per round of the event loop. Call from that event loop (``eventLoop``) where
/// it can be arranged: it saves the wake-up.
public final class SocketBus: Bus {
    let session: SocketSession

    /// Where the connection lives and completions are called.
    public var eventLoop: any EventLoop { session.eventLoop }

    init(_ session: SocketSession) { self.session = session }

    /// Begins to connect.
    ///
    /// - Parameter eventLoop: nil takes one of NIO's shared ones.
    public static func connect(
        _ configuration: SocketBusConfiguration, on eventLoop: (any EventLoop)? = nil, logger: Logger
    ) -> SocketBus {
        let session = SocketSession(
            configuration: configuration, eventLoop: eventLoop ?? NIOSingletons.posixEventLoopGroup.any(),
            logger: logger)
        session.start()
        return SocketBus(session)
    }

    deinit {
        session.eventLoop.execute { [session] in session.finishClose() }
    }

    /// Waits until there is a connection on which everything that was subscribed is in force.
    /// - Throws: ``BusError/timeout``, ``BusError/closed``.
    public func waitUntilConnected(timeout: Duration) async throws(BusError) {
        let session = session
        let timeout = Self.clamp(timeout)
        let outcome: Result<Void, BusError> = await withCheckedContinuation { continuation in
            session.eventLoop.execute { session.addConnectionWaiter(timeout: timeout, continuation) }
        }
        try outcome.get()
    }

    public var statistics: SocketBusStatistics {
        session.outgoing.withLock { outgoing in
            SocketBusStatistics(
                isConnected: outgoing.phase == .connected, queuedBytes: outgoing.queuedBytes,
                durableInFlight: outgoing.durable.count, requestsInFlight: outgoing.requests.count,
                overloaded: outgoing.overloaded, connections: outgoing.connections,
                subscriptionsCutOff: outgoing.subscriptionsCutOff)
        }
    }

    public func connectionEvents() -> AsyncStream<BusConnectionEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: BusConnectionEvent.self, bufferingPolicy: .bufferingNewest(16))
        session.eventLoop.execute { [session] in session.addObserver(continuation) }
        return stream
    }

    public func close() async {
        await withCheckedContinuation { continuation in
            session.eventLoop.execute { [session] in session.close(continuation) }
        }
    }

    /// Longer than any wait that makes sense, shorter than what overflows a count of nanoseconds.
    static func clamp(_ duration: Duration) -> Duration { max(.zero, min(duration, .seconds(365 * 86_400))) }
}
