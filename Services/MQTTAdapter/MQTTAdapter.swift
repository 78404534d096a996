// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import HTTPKit
import Identity
import NIOCore
import NIOPosix
import Observability
import ServiceKit

/// An MQTT 3.1.1 and 5 server: devices in, the bus behind it.
public enum MQTTAdapter {
    public static let description = ServiceDescription(
        name: "mqtt-adapter", summary: "an MQTT 3.1.1 and 5 server", keys: MQTTAdapterKeys.all, build: build)

    /// Wires the adapter: one event loop with its bus connection for all of MQTT, the store of sessions, the memory of rights.
    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        ProcessMemory.keepBuffers()
        let configuration = environment.configuration
        let limits = try limits(configuration)
        let operators = try OperatorSettings(configuration)
        let policy = try IngestPolicy(configuration)
        let eventLoop = environment.eventLoopGroup.next()
        // What a moment's publishes are: publishers are held up before it grows beyond the memory that is used again and again.
        let bus = try environment.connectBus(on: eventLoop) { $0.outboundMaximumBytes = 2 << 20 }
        let instance = UInt64.random(in: 1 ... .max)
        let authenticator = ThingAuthenticator(bus: bus, logger: environment.logger("rights"))
        let store = try await SQLiteSessionStore.open(
            StoreConfiguration(path: try configuration.required(MQTTAdapterKeys.store)),
            logger: environment.logger("store"))
        register(store, in: environment)
        let feed = MessageFeed(bus: bus, instance: instance, logger: environment.logger("feed"))
        let clock = environment.clock
        let metrics = environment.metrics
        let logger = environment.logger("broker")
        let broker = try await eventLoop.submit {
            NIOLoopBound(
                Broker(
                    eventLoop: eventLoop, limits: limits, operators: operators, clock: clock,
                    authenticator: authenticator, policy: policy, bus: bus, instance: instance, store: store,
                    feed: feed, metrics: BrokerMetrics(registry: metrics), logger: logger),
                eventLoop: eventLoop)
        }.get()
        feed.attach(broker)
        let verifier = BusTokenVerifier(bus: bus, clock: clock, logger: environment.logger("tokens"))
        let refusals = RefusalReporter(bus: bus, environment: environment)
        let http = HTTPApplication(
            environment: environment, title: "MQTT clients", verifier: verifier, refusals: refusals)
        ClientRoutes(
            clients: ClientDirectory(broker: broker), bus: bus, clock: clock, logger: environment.logger("clients")
        ).add(to: http.routes)
        return [
            http.service(
                host: try configuration.required(StandardKeys.httpHost),
                port: try configuration.required(MQTTAdapterKeys.httpPort)),
            TokenVerifierService(verifier), refusals, RightsService(authenticator), feed,
            BrokerService(
                broker: broker, bus: bus, store: store, listeners: try Listener.all(configuration), limits: limits,
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

    private static func limits(_ configuration: ServiceConfiguration) throws -> BrokerLimits {
        var limits = BrokerLimits()
        limits.maximumConnections = try configuration.required(MQTTAdapterKeys.maximumConnections)
        limits.connectTimeout = try configuration.milliseconds(MQTTAdapterKeys.connectTimeout)
        limits.stallTimeout = try configuration.milliseconds(MQTTAdapterKeys.stallTimeout)
        limits.maximumKeepAliveSeconds = UInt16(
            clamping: try configuration.required(MQTTAdapterKeys.maximumKeepAlive))
        limits.maximumSessionExpirySeconds = UInt32(
            clamping: try configuration.required(MQTTAdapterKeys.maximumSessionExpiry))
        limits.receiveMaximum = UInt16(clamping: try configuration.required(MQTTAdapterKeys.receiveMaximum))
        limits.maximumInFlight = try configuration.required(MQTTAdapterKeys.maximumInFlight)
        limits.outgoingBytes = try configuration.required(MQTTAdapterKeys.outgoing)
        limits.patience = try configuration.milliseconds(MQTTAdapterKeys.patience)
        limits.queueMemoryBytes = try configuration.required(MQTTAdapterKeys.queueMemory)
        limits.queueStoreBytes = try configuration.required(MQTTAdapterKeys.queueStore)
        limits.refusedPublishCloses = try configuration.required(MQTTAdapterKeys.refusedPublish) == "close"
        limits.sweepInterval = .sweepInterval(
            limits.sweepInterval, within: limits.connectTimeout, limits.stallTimeout)
        return limits
    }
}
