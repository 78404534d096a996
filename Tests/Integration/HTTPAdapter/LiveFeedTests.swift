// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import NIOCore
import NIOPosix
import Observability
import TestKit
import Testing

@testable import HTTPAdapter

/// A stream that begins anew, whatever its listeners are at: no number of the old one is taken for one of the new.
@Suite("HTTP adapter: the feed of those who listen live")
struct LiveFeedTests {
    /// A connection that nobody reads from: what it is sent stays in its outlet.
    private final class Silent: LiveStream {
        let outlet: LiveOutlet
        init(_ loop: LiveLoop) { outlet = LiveOutlet(loop: loop) }
        func end(_ end: LiveEnd) {}
    }

    private struct Scene: Sendable {
        let bus = ScriptedBus()
        let metrics = MetricsRegistry()
        let channel = ChannelID.new()
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let feed: LiveFeed
        let loop: NIOLoopBound<LiveLoop>

        init(queueBytes: Int) async throws {
            let feed = LiveFeed(bus: bus, logger: Logger(label: "live") { _ in SwiftLogNoOpLogHandler() })
            let (eventLoop, metrics) = (eventLoop, metrics)
            loop = try await eventLoop.submit {
                var limits = LiveLimits()
                limits.queueBytes = queueBytes
                return NIOLoopBound(
                    LiveLoop(
                        eventLoop: eventLoop, index: 0, share: 1, limits: limits, feed: feed,
                        metrics: LiveMetrics(registry: metrics)), eventLoop: eventLoop)
            }.get()
            self.feed = feed
            feed.attach([loop])
        }

        func append(_ count: Int) {
            var payload = ByteBuffer()
            RawMessage(
                domain: .new(), channel: channel, subtopic: "", publisher: .new(), transport: .http,
                contentType: .octetStream, created: 0, payload: ByteBuffer(string: "x")
            ).encode(into: &payload)
            bus.append(Array(repeating: payload, count: count), subject: Subjects.messages(channel: channel))
        }

        var gaps: UInt64 { metrics.counter("martlet_live_gaps_total", help: "").value }
        var delivered: UInt64 { metrics.counter("martlet_live_delivered_total", help: "").value }
        var behind: Double { metrics.gauge("martlet_live_behind", help: "").value }

        /// Joins, and waits until that has gone through.
        func join(after: UInt64? = nil) async throws -> Listener {
            let (loop, channel) = (loop, channel)
            let listener = try await eventLoop.submit {
                let listener = LiveListener(
                    channel: channel, filter: .everything, format: .events, resumesAfter: after)
                loop.value.join(listener)
                return NIOLoopBound((listener, Silent(loop.value)), eventLoop: loop.eventLoop)
            }.get()
            let joined = Listener(bound: listener, loop: loop)
            try await eventually("it has joined") { try await joined.on { $0.phase == .joined } }
            return joined
        }
    }

    private struct Listener: Sendable {
        let bound: NIOLoopBound<(LiveListener, Silent)>
        let loop: NIOLoopBound<LiveLoop>

        func on<Value: Sendable>(_ body: @escaping @Sendable (LiveListener) -> Value) async throws -> Value {
            try await bound.eventLoop.submit { body(bound.value.0) }.get()
        }

        var position: UInt64 { get async throws { try await on { $0.position } } }

        func start() async throws {
            try await bound.eventLoop.submit { loop.value.start(bound.value.0, bound.value.1) }.get()
        }

        func leave() async throws {
            try await bound.eventLoop.submit { loop.value.leave(bound.value.0) }.get()
        }

        /// The client has read everything.
        func drain() async throws {
            try await bound.eventLoop.submit {
                let outlet = bound.value.1.outlet
                outlet.dropQueued()
                outlet.onDrained?()
            }.get()
        }
    }

    private func withFeed(queueBytes: Int = 1 << 20, _ body: (Scene) async throws -> Void) async throws {
        let scene = try await Scene(queueBytes: queueBytes)
        scene.append(5)
        let running = Task { try await scene.feed.run() }
        defer { running.cancel() }
        try await body(scene)
        running.cancel()
        try await running.value
    }

    @Test("who listens is told, and gets the new stream from its beginning")
    func live() async throws {
        try await withFeed { scene in
            let listener = try await scene.join()
            try await listener.start()
            #expect(try await listener.position == 5)
            scene.bus.beginAnew()
            scene.append(2)
            try await eventually("it has both") { scene.delivered == 2 }
            #expect(try await listener.position == 2)
            #expect(scene.gaps == 1)
        }
    }

    @Test("what is lost among others is a gap where it was")
    func lost() async throws {
        try await withFeed { scene in
            scene.bus.lose(2)
            scene.bus.lose(4)
            let listener = try await scene.join(after: 0)
            try await listener.start()
            try await eventually("it has the last") { try await listener.position == 5 }
            #expect(scene.delivered == 3 && scene.gaps == 2)
        }
    }

    @Test("so is one who has joined and does not stream yet, and one who is behind")
    func joinedAndBehind() async throws {
        try await withFeed(queueBytes: 2) { scene in
            let joined = try await scene.join()
            let behind = try await scene.join(after: 2)
            try await behind.start()
            // It takes one at a time.
            try await eventually("it has the first") { try await behind.position == 3 }
            scene.bus.beginAnew()
            scene.append(4)
            try await eventually("it is told") { scene.gaps == 1 }
            #expect(try await behind.position == 0)
            for number in 1...4 {
                try await behind.drain()
                try await eventually("number \(number) has come") { try await behind.position == number }
            }
            #expect(try await joined.position == 5)
            try await joined.start()
            try await eventually("it is told") { scene.gaps == 2 }
            for number in 1...4 {
                try await joined.drain()
                try await eventually("number \(number) has come") { try await joined.position == number }
            }
            try await behind.drain()
            try await joined.drain()
            try await eventually("both listen live") { scene.behind == 0 }
            #expect(scene.delivered == 9 && scene.gaps == 2)
        }
    }

    @Test("who joins when nobody has listened for a while begins where the new stream is")
    func afterPause() async throws {
        try await withFeed { scene in
            let first = try await scene.join()
            try await first.start()
            try await first.leave()
            scene.bus.beginAnew()
            scene.append(1)
            let other = ChannelID.new()
            try await eventually("the feed has ended") {
                let ticket = scene.feed.enter(other)
                scene.feed.leave(other)
                guard ticket.run == 2 else { return false }
                // Not where the old one was.
                #expect(ticket.position == 0)
                return true
            }
            let second = try await scene.join()
            try await second.start()
            scene.append(2)
            try await eventually("it has what came since") { try await second.position == 3 }
        }
    }
}
