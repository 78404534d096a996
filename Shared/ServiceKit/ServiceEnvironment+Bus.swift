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
        return try connectBus(on: eventLoopGroup.next())
    }

    /// As ``connectBus()``, on the event loop of those who use it.
    ///
    /// - Parameter configure: what is other than usual.
    public func connectBus(
        on eventLoop: any EventLoop, _ configure: (inout SocketBusConfiguration) -> Void = { _ in }
    ) throws -> any Bus {
        let bus = try connect(on: eventLoop, configure)
        observe([bus])
        return bus
    }

    /// As ``connectBus()``, a connection on each of the event loops; health and metrics are of all together.
    public func connectBuses(on eventLoops: [any EventLoop]) throws -> [any Bus] {
        let buses = try eventLoops.map { try connect(on: $0) }
        observe(buses)
        return buses
    }

    private func connect(
        on eventLoop: any EventLoop, _ configure: (inout SocketBusConfiguration) -> Void = { _ in }
    ) throws -> SocketBus {
        var settings = SocketBusConfiguration(
            path: try configuration.required(StandardKeys.busSocket), name: name)
        configure(&settings)
        return SocketBus.connect(settings, on: eventLoop, logger: logger("bus"))
    }

    private func observe(_ buses: [SocketBus]) {
        let isConnected: @Sendable () -> Bool = { buses.allSatisfy(\.statistics.isConnected) }
        let path = configuration.optional(StandardKeys.busSocket) ?? ""
        health.register("bus") { isConnected() ? .up : .down("no connection to the bus at \(path)") }
        metrics.observe("martlet_bus_client_connected", help: "1 while there is a connection to the bus.") {
            isConnected() ? 1 : 0
        }
        metrics.observe("martlet_bus_client_queued_bytes", help: "Bytes that wait to be sent to the bus.") {
            buses.reduce(0) { $0 + Double($1.statistics.queuedBytes) }
        }
        metrics.observe(
            "martlet_bus_client_overloaded_total", help: "Messages and requests refused because too much was queued.",
            type: .counter
        ) { buses.reduce(0) { $0 + Double($1.statistics.overloaded) } }
        metrics.observe(
            "martlet_bus_client_connections_total", help: "Connections made to the bus since the start.", type: .counter
        ) { buses.reduce(0) { $0 + Double($1.statistics.connections) } }
    }
}
