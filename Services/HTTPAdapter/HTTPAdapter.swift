// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
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
        let documents = ServiceDocuments(health: environment.health, metrics: environment.metrics)

        var loops: [ObjectIdentifier: NIOLoopBound<IngestLoop>] = [:]
        for (eventLoop, bus) in zip(eventLoops, buses) {
            let clock = environment.clock
            let metrics = environment.metrics
            let share = eventLoops.count
            loops[ObjectIdentifier(eventLoop)] = try await eventLoop.submit {
                NIOLoopBound(
                    IngestLoop(
                        eventLoop: eventLoop, share: share, limits: limits, clock: clock, authenticator: authenticator,
                        policy: policy, bus: bus, documents: documents, metrics: metrics),
                    eventLoop: eventLoop)
            }.get()
        }
        let server = IngestServer(
            group: group, loops: loops, limits: limits,
            host: try configuration.required(StandardKeys.httpHost),
            port: try configuration.required(HTTPAdapterKeys.port), boundPort: environment.httpPort,
            logger: environment.logger("http"))
        return [RightsService(authenticator), server]
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
        let shortest = min(
            limits.headTimeout, limits.bodyTimeout, limits.idleTimeout, limits.acknowledgementTimeout)
        limits.sweepInterval = min(limits.sweepInterval, .nanoseconds(max(5_000_000, shortest.nanoseconds / 2)))
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
