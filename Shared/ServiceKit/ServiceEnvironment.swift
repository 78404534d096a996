// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import NIOCore
import NIOPosix
import Observability

/// What the world gives a service: everything that its composition root does not make itself.
public struct ServiceEnvironment: Sendable {
    public let name: String
    public let configuration: ServiceConfiguration
    public let logger: Logger
    public let metrics: MetricsRegistry
    public let health: HealthRegistry
    public let clock: WallClock
    public let eventLoopGroup: any EventLoopGroup
    /// Where the service's HTTP port says which port it got (``BoundPort/value()``).
    public let httpPort = BoundPort()
    let injectedBus: (any Bus)?

    /// - Parameter bus: a bus that is connected already (tests); nil: ``connectBus()`` connects to the configured socket.
    public init(
        name: String, configuration: ServiceConfiguration, logger: Logger, metrics: MetricsRegistry = MetricsRegistry(),
        health: HealthRegistry? = nil, clock: WallClock = .system,
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, bus: (any Bus)? = nil
    ) {
        self.name = name
        self.configuration = configuration
        self.logger = logger
        self.metrics = metrics
        self.health = health ?? HealthRegistry(version: Version.current, description: name, clock: clock)
        self.clock = clock
        self.eventLoopGroup = eventLoopGroup
        self.injectedBus = bus
    }

    /// A logger for a part of the service.
    public func logger(_ label: String) -> Logger {
        var logger = logger
        logger[metadataKey: "part"] = "\(label)"
        return logger
    }
}

/// The version of the product.
public enum Version {
    public static let current = "0.1.0"
}
