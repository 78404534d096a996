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
        let policy = try IngestPolicy(configuration)
        let group = eventLoopGroup(environment, threads: try configuration.required(HTTPAdapterKeys.eventLoops))
        let eventLoops = Array(group.makeIterator())
        let buses = try environment.connectBuses(on: eventLoops)
        // Questions are few: they go with the first loop's messages.
        let authenticator = ThingAuthenticator(bus: buses[0], logger: environment.logger("rights"))
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

    private static func eventLoopGroup(_ environment: ServiceEnvironment, threads: Int) -> any EventLoopGroup {
        threads == 0 ? environment.eventLoopGroup : MultiThreadedEventLoopGroup(numberOfThreads: threads)
    }

    private static func limits(_ configuration: ServiceConfiguration) throws -> ConnectionLimits {
        var limits = ConnectionLimits()
        limits.maximumConnections = try configuration.required(HTTPAdapterKeys.maximumConnections)
        limits.headTimeout = try configuration.milliseconds(HTTPAdapterKeys.headTimeout)
        limits.bodyTimeout = try configuration.milliseconds(HTTPAdapterKeys.bodyTimeout)
        limits.idleTimeout = try configuration.milliseconds(HTTPAdapterKeys.idleTimeout)
        limits.acknowledgementTimeout = try configuration.milliseconds(HTTPAdapterKeys.acknowledgementTimeout)
        let live = try liveLimits(configuration)
        limits.sweepInterval = .sweepInterval(
            limits.sweepInterval, within: limits.headTimeout, limits.bodyTimeout, limits.idleTimeout,
            limits.acknowledgementTimeout, live.keepAliveInterval, live.pongTimeout)
        return limits
    }

    private static func liveLimits(_ configuration: ServiceConfiguration) throws -> LiveLimits {
        var limits = LiveLimits()
        limits.queueBytes = try configuration.required(HTTPAdapterKeys.liveQueue)
        limits.totalQueuedBytes = try configuration.required(HTTPAdapterKeys.liveQueues)
        limits.keepAliveInterval = try configuration.milliseconds(HTTPAdapterKeys.liveKeepAlive)
        limits.pongTimeout = try configuration.milliseconds(HTTPAdapterKeys.livePong)
        limits.messageTimeout = try configuration.milliseconds(HTTPAdapterKeys.bodyTimeout)
        return limits
    }
}
