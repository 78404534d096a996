// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Logging
import Observability
import ServiceKit

/// A bridge to other MQTT brokers: messages of theirs into channels, and messages of channels to them.
public enum MQTTBridge {
    public static let description = ServiceDescription(
        name: "mqtt-bridge", summary: "carries messages to and from other MQTT brokers", keys: MQTTBridgeKeys.all,
        build: build)

    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        let configuration = environment.configuration
        let path = try configuration.required(MQTTBridgeKeys.remotes)
        let remotes: [Remote]
        do throws(RemotesProblem) {
            remotes = try RemotesFile.load(path)
        } catch {
            throw ConfigurationError.file(path: path, problem: "\(error)")
        }
        let rate = try configuration.required(MQTTBridgeKeys.thingRate)
        let bus = try await environment.connectBus()
        let authenticator = ThingAuthenticator(bus: bus, logger: environment.logger("rights"))
        let shared = RemoteService.Shared(
            environment: environment, bus: bus, authenticator: authenticator,
            policy: IngestPolicy(
                maximumPayloadBytes: try configuration.required(MQTTBridgeKeys.maximumPayload),
                perThing: RateLimit(messagesPerSecond: rate)),
            isRateLimited: rate > 0, queuePercent: try configuration.required(MQTTBridgeKeys.queueShare),
            metrics: BridgeMetrics(registry: environment.metrics))
        let management = ManagementService(
            environment: environment, host: try configuration.required(StandardKeys.httpHost),
            port: try configuration.required(MQTTBridgeKeys.httpPort))
        let services = try remotes.map { try RemoteService($0, shared) }
        return [
            management, RightsService(authenticator),
            ForgottenConsumers(bus: bus, remotes: remotes, logger: environment.logger("consumers")),
        ] + services
    }
}
