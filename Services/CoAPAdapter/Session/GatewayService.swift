// SPDX-License-Identifier: Apache-2.0
import Bus
import Logging
import Observability
import ServiceKit

/// The endpoint and its gateway as long as the service runs.
struct GatewayService: Service, CustomStringConvertible {
    private let endpoint: EndpointConfiguration
    private let registry: MetricsRegistry
    private let environment: Gateway.Environment
    private let settings: Gateway.Settings

    var description: String { "coap" }

    init(
        _ endpoint: EndpointConfiguration, _ settings: Gateway.Settings, registry: MetricsRegistry,
        _ environment: Gateway.Environment
    ) {
        self.endpoint = endpoint
        self.settings = settings
        self.registry = registry
        self.environment = environment
    }

    func run() async throws {
        let running = try await Endpoint(endpoint, logger: environment.logger) {
            [environment, settings, registry] loop in
            let gateway = Gateway(loop, environment, settings, metrics: GatewayMetrics(registry: registry))
            environment.feed.attach(GatewayEvents(inbox: loop.inbox, gateway: gateway.bound))
            return gateway
        }
        for listener in endpoint.listeners {
            environment.logger.info(
                "listens",
                metadata: [
                    "transport": "\(listener.transport.rawValue)", LogKey.address: "\(listener.host)",
                    LogKey.port: "\(listener.port)",
                ])
        }
        let (ends, end) = AsyncStream<Void>.makeStream()
        await cancelWhenGracefulShutdown { for await _ in ends {} }
        end.finish()
        await running.stop()
    }
}

/// The feed's way to the gateway.
private struct GatewayEvents: MessageFeed.Events {
    let inbox: EndpointInbox
    let gateway: ThreadBound<Gateway>

    func feedBegan(at position: UInt64) async {
        await inbox.perform { [gateway] in gateway.value.feedBegan(at: position) }
    }

    func feedCannotBegin(_ error: BusError) async {
        await inbox.perform { [gateway] in gateway.value.feedCannotBegin(error) }
    }

    func feedBeganAnew() async {
        await inbox.perform { [gateway] in gateway.value.feedBeganAnew() }
    }

    func deliver(_ batch: MessageFeed.Batch) async {
        var next = 0
        repeat {
            let from = next
            guard let reached = await inbox.value({ [gateway] in gateway.value.deliver(batch, from: from) }) else {
                return
            }
            next = reached
        } while next < batch.messages.count
    }
}
