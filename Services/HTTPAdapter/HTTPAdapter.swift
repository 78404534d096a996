// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Identity
import NIOCore
import NIOPosix
import Observability
import ServiceKit

/// Takes messages over HTTP: who it is, whether it may, whether the payload is what it says, then the bus; 202 once it is on disk.
public enum HTTPAdapter {
    public static let description = ServiceDescription(
        name: "http-adapter", summary: "messages of devices over HTTP", keys: HTTPAdapterKeys.all, build: build)

    /// Wires the adapter: a bus connection and an ``IngestLoop`` for each event loop, one memory of rights for all.
    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        let configuration = environment.configuration
        let limits = try limits(configuration)
        let policy = IngestPolicy(
            maximumPayloadBytes: try configuration.required(HTTPAdapterKeys.maximumPayload),
            perThing: rate(try configuration.required(HTTPAdapterKeys.thingRate)),
            perDomain: rate(try configuration.required(HTTPAdapterKeys.domainRate)))
        let group = eventLoopGroup(environment, threads: try configuration.required(HTTPAdapterKeys.eventLoops))
        let eventLoops = Array(group.makeIterator())
        let buses = try eventLoops.map { try connect(environment, on: $0) }
        // Questions are few: they go with the first loop's messages.
        let authenticator = ThingAuthenticator(bus: buses[0], logger: environment.logger("rights"))
        register(buses, in: environment)
        let verifier = BusTokenVerifier(
            bus: buses[0], clock: environment.clock, logger: environment.logger("tokens"))
        let people = PersonAuthenticator(bus: buses[0], verifier: verifier, logger: environment.logger("rights"))
        let feed = LiveFeed(bus: buses[0], logger: environment.logger("live"))
        register(feed, people, in: environment)
        let liveLimits = try liveLimits(configuration)
        let liveMetrics = LiveMetrics(registry: environment.metrics)
        let documents = ServiceDocuments(health: environment.health, metrics: environment.metrics)

        var loops: [ObjectIdentifier: NIOLoopBound<IngestLoop>] = [:]
        for (index, (eventLoop, bus)) in zip(eventLoops, buses).enumerated() {
            let clock = environment.clock
            let metrics = environment.metrics
            let share = eventLoops.count
            loops[ObjectIdentifier(eventLoop)] = try await eventLoop.submit {
                let live = LiveLoop(
                    eventLoop: eventLoop, index: index, share: share, limits: liveLimits, feed: feed,
                    metrics: liveMetrics)
                return NIOLoopBound(
                    IngestLoop(
                        eventLoop: eventLoop, share: share, limits: limits, clock: clock, authenticator: authenticator,
                        policy: policy, bus: bus, documents: documents,
                        authorizer: LiveAuthorizer(things: authenticator, people: people), live: live,
                        metrics: metrics),
                    eventLoop: eventLoop)
            }.get()
        }
        var liveLoops: [NIOLoopBound<LiveLoop>] = []
        for loop in loops.values {
            liveLoops.append(
                try await loop.eventLoop.submit { NIOLoopBound(loop.value.live, eventLoop: loop.eventLoop) }.get())
        }
        feed.attach(liveLoops)
        let server = IngestServer(
            group: group, loops: loops, limits: limits,
            host: try configuration.required(StandardKeys.httpHost),
            port: try configuration.required(HTTPAdapterKeys.port), boundPort: environment.httpPort,
            logger: environment.logger("http"))
        return [
            RightsService(authenticator), PersonRightsService(people, verifier: verifier), feed, server,
        ]
    }

    private static func register(
        _ feed: LiveFeed, _ people: PersonAuthenticator, in environment: ServiceEnvironment
    ) {
        environment.metrics.observe(
            "martlet_live_catch_up_reads_total", help: "Reads of older messages for those who resume.", type: .counter
        ) { Double(feed.catchUpReads) }
        environment.metrics.observe("martlet_live_people", help: "Live connections of people.") {
            Double(people.count)
        }
    }

    private static func connect(
        _ environment: ServiceEnvironment, on eventLoop: any EventLoop
    ) throws -> SocketBus {
        let path = try environment.configuration.required(StandardKeys.busSocket)
        return SocketBus.connect(
            SocketBusConfiguration(path: path, name: environment.name), on: eventLoop,
            logger: environment.logger("bus"))
    }

    private static func register(_ buses: [SocketBus], in environment: ServiceEnvironment) {
        environment.health.register("bus") {
            buses.allSatisfy { $0.statistics.isConnected } ? .up : .down("not connected to the message bus")
        }
        environment.metrics.observe(
            "martlet_bus_client_queued_bytes", help: "Bytes on their way to the bus, not yet taken by the kernel."
        ) { Double(buses.reduce(0) { $0 + $1.statistics.queuedBytes }) }
        environment.metrics.observe(
            "martlet_bus_client_connections_total", help: "Connections made to the bus.", type: .counter
        ) { Double(buses.reduce(0) { $0 &+ $1.statistics.connections }) }
    }

    private static func eventLoopGroup(_ environment: ServiceEnvironment, threads: Int) -> any EventLoopGroup {
        threads == 0 ? environment.eventLoopGroup : MultiThreadedEventLoopGroup(numberOfThreads: threads)
    }

    private static func limits(_ configuration: ServiceConfiguration) throws -> ConnectionLimits {
        var limits = ConnectionLimits()
        limits.maximumConnections = try configuration.required(HTTPAdapterKeys.maximumConnections)
        limits.headTimeout = try milliseconds(HTTPAdapterKeys.headTimeout, configuration)
        limits.bodyTimeout = try milliseconds(HTTPAdapterKeys.bodyTimeout, configuration)
        limits.idleTimeout = try milliseconds(HTTPAdapterKeys.idleTimeout, configuration)
        limits.acknowledgementTimeout = try milliseconds(HTTPAdapterKeys.acknowledgementTimeout, configuration)
        // A sweep at least twice within the shortest of them.
        let live = try liveLimits(configuration)
        let shortest = min(
            limits.headTimeout, limits.bodyTimeout, limits.idleTimeout, limits.acknowledgementTimeout,
            live.keepAliveInterval, live.pongTimeout)
        limits.sweepInterval = min(limits.sweepInterval, .nanoseconds(max(5_000_000, shortest.nanoseconds / 2)))
        return limits
    }

    private static func liveLimits(_ configuration: ServiceConfiguration) throws -> LiveLimits {
        var limits = LiveLimits()
        limits.queueBytes = try configuration.required(HTTPAdapterKeys.liveQueue)
        limits.totalQueuedBytes = try configuration.required(HTTPAdapterKeys.liveQueues)
        limits.keepAliveInterval = try milliseconds(HTTPAdapterKeys.liveKeepAlive, configuration)
        limits.pongTimeout = try milliseconds(HTTPAdapterKeys.livePong, configuration)
        limits.messageTimeout = try milliseconds(HTTPAdapterKeys.bodyTimeout, configuration)
        return limits
    }

    private static func milliseconds(
        _ key: ConfigurationKey<Int>, _ configuration: ServiceConfiguration
    ) throws -> TimeAmount {
        .milliseconds(Int64(try configuration.required(key)))
    }

    private static func rate(_ perSecond: Int) -> RateLimit? {
        RateLimit(perSecond: Double(perSecond), burst: Double(perSecond) * 10)
    }
}
