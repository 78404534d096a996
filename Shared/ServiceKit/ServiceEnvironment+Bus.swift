// SPDX-License-Identifier: Apache-2.0
import Bus
import NIOCore
import Observability

extension ServiceEnvironment {
    /// The bus at the configured socket (``StandardKeys/busSocket``), under the service's name, with health check and metrics.
    ///
    /// Returns at once: connecting and reconnecting happen in the background, for ever.
    /// - Throws: ``ConfigurationError`` when the service does not declare ``StandardKeys/busSocket``.
    public func connectBus() async throws -> any Bus {
        if let injectedBus { return injectedBus }
        let path = try configuration.required(StandardKeys.busSocket)
        let bus = SocketBus.connect(
            SocketBusConfiguration(path: path, name: name), on: eventLoopGroup.next(), logger: logger("bus"))
        health.register("bus") {
            bus.statistics.isConnected ? .up : .down("no connection to the bus at \(path)")
        }
        metrics.observe("martlet_bus_client_connected", help: "1 while there is a connection to the bus.") {
            bus.statistics.isConnected ? 1 : 0
        }
        metrics.observe("martlet_bus_client_queued_bytes", help: "Bytes that wait to be sent to the bus.") {
            Double(bus.statistics.queuedBytes)
        }
        metrics.observe(
            "martlet_bus_client_overloaded_total", help: "Messages and requests refused because too much was queued.",
            type: .counter
        ) { Double(bus.statistics.overloaded) }
        metrics.observe(
            "martlet_bus_client_connections_total", help: "Connections made to the bus since the start.", type: .counter
        ) { Double(bus.statistics.connections) }
        return bus
    }
}
