// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Identity
import NIOCore
import NIOPosix
import NIOSSL
import Observability
import ServiceKit

/// An MQTT 3.1.1 and 5 server: devices in, the bus behind it.
public enum MQTTAdapter {
    public static let description = ServiceDescription(
        name: "mqtt-adapter", summary: "an MQTT 3.1.1 and 5 server", keys: MQTTAdapterKeys.all, build: build)

    /// Wires the adapter: one event loop with its bus connection for all of MQTT, the store of sessions, the memory of rights.
    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        let configuration = environment.configuration
        let limits = try limits(configuration)
        let policy = IngestPolicy(
            maximumPayloadBytes: try configuration.required(MQTTAdapterKeys.maximumPayload),
            perThing: rate(try configuration.required(MQTTAdapterKeys.thingRate)),
            perDomain: rate(try configuration.required(MQTTAdapterKeys.domainRate)))
        let eventLoop = environment.eventLoopGroup.next()
        let bus = SocketBus.connect(
            SocketBusConfiguration(
                path: try configuration.required(StandardKeys.busSocket), name: environment.name),
            on: eventLoop, logger: environment.logger("bus"))
        environment.health.register("bus") {
            bus.statistics.isConnected ? .up : .down("not connected to the message bus")
        }
        let authenticator = ThingAuthenticator(bus: bus, logger: environment.logger("rights"))
        let store = try await SQLiteSessionStore.open(
            StoreConfiguration(path: try configuration.required(MQTTAdapterKeys.store)),
            logger: environment.logger("store"))
        register(store, in: environment)
        let feed = MessageFeed(bus: bus, logger: environment.logger("feed"))
        let clock = environment.clock
        let metrics = environment.metrics
        let logger = environment.logger("broker")
        let broker = try await eventLoop.submit {
            NIOLoopBound(
                Broker(
                    eventLoop: eventLoop, limits: limits, clock: clock, authenticator: authenticator, policy: policy,
                    bus: bus, store: store, feed: feed, metrics: BrokerMetrics(registry: metrics), logger: logger),
                eventLoop: eventLoop)
        }.get()
        feed.attach(broker)
        return [
            ManagementService(
                environment: environment, host: try configuration.required(StandardKeys.httpHost),
                port: try configuration.required(MQTTAdapterKeys.httpPort)),
            RightsService(authenticator), feed,
            BrokerService(
                broker: broker, bus: bus, store: store, listeners: try listeners(configuration), limits: limits,
                logger: environment.logger("mqtt")),
        ]
    }

    private static func register(_ store: SQLiteSessionStore, in environment: ServiceEnvironment) {
        environment.metrics.observe(
            "martlet_mqtt_store_entries", help: "Messages that wait in the store for sessions."
        ) { Double(store.totals.entries) }
        environment.metrics.observe(
            "martlet_mqtt_store_waiting_bytes", help: "Bytes on their way to the store."
        ) { Double(store.totals.waitingBytes) }
        environment.metrics.observe("martlet_mqtt_store_file_bytes", help: "Size of the store's files.") {
            Double(store.totals.fileBytes)
        }
    }

    private static func listeners(_ configuration: ServiceConfiguration) throws -> [Listener] {
        let host = try configuration.required(MQTTAdapterKeys.host)
        var listeners: [Listener] = []
        if try configuration.required(MQTTAdapterKeys.isPlain) {
            listeners.append(
                Listener(kind: .tcp, host: host, port: try configuration.required(MQTTAdapterKeys.port), tls: nil))
        }
        listeners.append(
            Listener(
                kind: .webSocket, host: host, port: try configuration.required(MQTTAdapterKeys.webSocketPort),
                tls: nil))
        let certificate = configuration.optional(MQTTAdapterKeys.certificate)
        let key = configuration.optional(MQTTAdapterKeys.key)
        switch (certificate, key) {
        case (nil, nil): break
        case (let certificate?, let key?):
            listeners.append(
                Listener(
                    kind: .tls, host: host, port: try configuration.required(MQTTAdapterKeys.tlsPort),
                    tls: try tls(certificate: certificate, key: key)))
        case (_?, nil):
            throw ConfigurationError.missing(key: MQTTAdapterKeys.key.name, help: MQTTAdapterKeys.key.help)
        case (nil, _?):
            throw ConfigurationError.missing(
                key: MQTTAdapterKeys.certificate.name, help: MQTTAdapterKeys.certificate.help)
        }
        return listeners
    }

    private static func tls(certificate: String, key: String) throws -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
            configuration.minimumTLSVersion = .tlsv12
            // The name that is registered for MQTT (IANA, TLS ALPN Protocol IDs).
            configuration.applicationProtocols = ["mqtt"]
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw ConfigurationError.invalid(
                key: MQTTAdapterKeys.certificate.name,
                problem: "and '\(MQTTAdapterKeys.key.name)' cannot be used: \(error)")
        }
    }

    private static func limits(_ configuration: ServiceConfiguration) throws -> BrokerLimits {
        var limits = BrokerLimits()
        limits.maximumConnections = try configuration.required(MQTTAdapterKeys.maximumConnections)
        limits.connectTimeout = try milliseconds(MQTTAdapterKeys.connectTimeout, configuration)
        limits.stallTimeout = try milliseconds(MQTTAdapterKeys.stallTimeout, configuration)
        limits.maximumKeepAliveSeconds = UInt16(
            clamping: try configuration.required(MQTTAdapterKeys.maximumKeepAlive))
        limits.maximumSessionExpirySeconds = UInt32(
            clamping: try configuration.required(MQTTAdapterKeys.maximumSessionExpiry))
        limits.receiveMaximum = UInt16(clamping: try configuration.required(MQTTAdapterKeys.receiveMaximum))
        limits.maximumInFlight = try configuration.required(MQTTAdapterKeys.maximumInFlight)
        limits.outgoingBytes = try configuration.required(MQTTAdapterKeys.outgoing)
        limits.queueMemoryBytes = try configuration.required(MQTTAdapterKeys.queueMemory)
        limits.queueStoreBytes = try configuration.required(MQTTAdapterKeys.queueStore)
        limits.refusedPublishCloses = try configuration.required(MQTTAdapterKeys.refusedPublish) == "close"
        // A sweep at least twice within the shortest of them.
        let shortest = min(limits.connectTimeout, limits.stallTimeout)
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
