// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Logging
import Observability
import ServiceKit

/// CoAP for constrained devices: datagrams in, the bus behind it.
public enum CoAPAdapter {
    public static let description = ServiceDescription(
        name: "coap-adapter", summary: "CoAP for constrained devices", keys: CoAPAdapterKeys.all, build: build)

    /// Wires the adapter: the endpoint's thread, a bus connection, the memory of rights.
    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        let configuration = environment.configuration
        let policy = IngestPolicy(
            maximumPayloadBytes: try configuration.required(CoAPAdapterKeys.maximumPayload),
            perThing: rate(try configuration.required(CoAPAdapterKeys.thingRate)),
            perDomain: rate(try configuration.required(CoAPAdapterKeys.domainRate)))
        var endpoint = try endpointConfiguration(configuration)
        let bus = try await environment.connectBus()
        let authenticator = ThingAuthenticator(bus: bus, logger: environment.logger("rights"))
        authenticator.register(in: environment.metrics)
        let feed = MessageFeed(bus: bus, logger: environment.logger("feed"))
        let management = ManagementService(
            environment: environment, host: try configuration.required(StandardKeys.httpHost),
            port: try configuration.required(CoAPAdapterKeys.httpPort))
        var services: [any Service] = [management, RightsService(authenticator), feed]
        if try configuration.required(CoAPAdapterKeys.isSecure) {
            let keys = PreSharedKeyDirectory(bus: bus, logger: environment.logger("keys"))
            keys.register(in: environment.metrics)
            services.append(keys)
            try secure(&endpoint, configuration) { keys.find(identity: $0) }
        }
        guard !endpoint.listeners.isEmpty else {
            throw ConfigurationError.invalid(
                key: CoAPAdapterKeys.isPlain.name,
                problem: "and '\(CoAPAdapterKeys.isSecure.name)' are false: nothing is served")
        }
        services.append(
            GatewayService(
                endpoint, try settings(configuration), registry: environment.metrics,
                Gateway.Environment(
                    authenticator: authenticator, policy: policy, bus: bus, reader: ReaderClient(bus: bus), feed: feed,
                    clock: environment.clock,
                    logger: environment.logger("coap"))))
        return services
    }

    private static func secure(
        _ endpoint: inout EndpointConfiguration, _ configuration: ServiceConfiguration,
        findKey: @escaping @Sendable (UnsafeRawBufferPointer) -> PreSharedKey?
    ) throws {
        var security = EndpointSecurity(findKey: findKey)
        let authority = configuration.optional(CoAPAdapterKeys.clientAuthority)
        switch (configuration.optional(CoAPAdapterKeys.certificate), configuration.optional(CoAPAdapterKeys.key)) {
        case (nil, nil):
            // Client certificates would be asked for nowhere.
            if authority != nil { throw missing(CoAPAdapterKeys.certificate) }
        case (let certificate?, let key?):
            security.certificate = EndpointSecurity.Certificate(
                certificateFile: certificate, keyFile: key, clientAuthorityFile: authority)
        case (_?, nil): throw missing(CoAPAdapterKeys.key)
        case (nil, _?): throw missing(CoAPAdapterKeys.certificate)
        }
        let host = try configuration.required(CoAPAdapterKeys.host)
        endpoint.security = security
        endpoint.listeners += [
            ListenAddress(transport: .dtls, host: host, port: try port(CoAPAdapterKeys.securePort, configuration)),
            ListenAddress(transport: .tls, host: host, port: try port(CoAPAdapterKeys.secureTCPPort, configuration)),
        ]
    }

    private static func missing(_ key: ConfigurationKey<String>) -> ConfigurationError {
        .missing(key: key.name, help: key.help)
    }

    private static func endpointConfiguration(
        _ configuration: ServiceConfiguration
    ) throws -> EndpointConfiguration {
        let host = try configuration.required(CoAPAdapterKeys.host)
        var listeners: [ListenAddress] = []
        if try configuration.required(CoAPAdapterKeys.isPlain) {
            listeners.append(
                ListenAddress(
                    transport: .udp, host: host, port: try port(CoAPAdapterKeys.port, configuration)))
            listeners.append(
                ListenAddress(
                    transport: .tcp, host: host, port: try port(CoAPAdapterKeys.tcpPort, configuration)))
        }
        var endpoint = EndpointConfiguration(listeners: listeners)
        endpoint.maximumIdleSessions = try configuration.required(CoAPAdapterKeys.maximumSessions)
        endpoint.sessionTimeoutSeconds = try configuration.required(CoAPAdapterKeys.sessionTimeout)
        endpoint.maximumExchanges = try configuration.required(CoAPAdapterKeys.maximumExchanges)
        return endpoint
    }

    private static func settings(_ configuration: ServiceConfiguration) throws -> Gateway.Settings {
        var settings = Gateway.Settings()
        settings.maximumObservers = try configuration.required(CoAPAdapterKeys.maximumObservers)
        settings.addressRequestsPerSecond = try configuration.required(CoAPAdapterKeys.addressRate)
        settings.verifiesAddresses = try configuration.required(CoAPAdapterKeys.verifiesAddresses)
        settings.pace.perSecond = Double(try configuration.required(CoAPAdapterKeys.observerRate))
        settings.pace.confirmableEvery = try configuration.required(CoAPAdapterKeys.confirmableEvery)
        settings.pace.spacingNanoseconds =
            UInt64(try configuration.required(CoAPAdapterKeys.confirmableSpacing)) * 1_000_000
        settings.pace.idleNanoseconds = UInt64(try configuration.required(CoAPAdapterKeys.idle)) * 1_000_000_000
        settings.aliveNanoseconds = UInt64(try configuration.required(CoAPAdapterKeys.alive)) * 1_000_000_000
        return settings
    }

    private static func port(
        _ key: ConfigurationKey<Int>, _ configuration: ServiceConfiguration
    ) throws -> UInt16 {
        UInt16(clamping: try configuration.required(key))
    }

    private static func rate(_ perSecond: Int) -> RateLimit? {
        RateLimit(perSecond: Double(perSecond), burst: Double(perSecond) * 10)
    }
}
