// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import ServiceKit

/// The adapter's settings: `MARTLET_HTTP_ADAPTER_<KEY>` in the environment.
enum HTTPAdapterKeys {
    static let port = StandardKeys.httpPort(default: 8185)

    static let eventLoops = ConfigurationKey<Int>(
        "event.loops", default: 0, range: 0...256,
        help: "Threads that serve connections, each with a bus connection of its own; 0 takes one for each processor.")

    static let maximumConnections = ConfigurationKey<Int>(
        "connections.maximum", default: 10_000, range: 1...1_000_000, help: "Connections at a time.")

    static let headTimeout = ConfigurationKey<Int>(
        "head.timeout.milliseconds", default: 15_000, range: 10...600_000,
        help: "How long a request's head may take to arrive.")

    static let bodyTimeout = ConfigurationKey<Int>(
        "body.timeout.milliseconds", default: 60_000, range: 10...3_600_000,
        help: "How long a request's body may take to arrive.")

    static let idleTimeout = ConfigurationKey<Int>(
        "idle.timeout.milliseconds", default: 75_000, range: 10...86_400_000,
        help: "How long a connection may stay open without a request.")

    static let acknowledgementTimeout = ConfigurationKey<Int>(
        "acknowledgement.timeout.milliseconds", default: 10_000, range: 10...600_000,
        help: "How long the bus may take to make a message durable before the client is told to try again.")

    static let liveQueue = ConfigurationKey<Int>(
        "live.queue.maximum.bytes", default: 1 << 20, range: 16 << 10...1 << 30,
        help:
            "What may wait for one live connection that does not read as fast as messages come; beyond, it is cut off.")

    static let liveQueues = ConfigurationKey<Int>(
        "live.queues.maximum.bytes", default: 256 << 20, range: 1 << 20...1 << 40,
        help: "What may wait for all live connections together.")

    static let liveKeepAlive = ConfigurationKey<Int>(
        "live.keepalive.milliseconds", default: 20_000, range: 10...3_600_000,
        help: "After so long without anything, a ping (WebSocket) or a comment (SSE) is sent.")

    static let livePong = ConfigurationKey<Int>(
        "live.pong.timeout.milliseconds", default: 20_000, range: 10...3_600_000,
        help: "How long a WebSocket client may take to answer a ping.")

    static let all: [any ConfigurationDeclaration] =
        [
            StandardKeys.busSocket, StandardKeys.httpHost, port, eventLoops, maximumConnections, headTimeout,
            bodyTimeout,
            idleTimeout, acknowledgementTimeout, liveQueue, liveQueues, liveKeepAlive, livePong,
        ] + IngestKeys.all
}
