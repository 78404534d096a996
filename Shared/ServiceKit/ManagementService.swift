// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import Observability
import ServiceLifecycle

/// `/health` and `/metrics` on the configured HTTP port, for a service that has no HTTP API of its own.
public struct ManagementService: Service, CustomStringConvertible {
    private let environment: ServiceEnvironment
    private let host: String
    private let port: Int

    public var description: String { "management" }

    /// - Parameter port: 0 for any free one; `environment.httpPort` says which.
    public init(environment: ServiceEnvironment, host: String, port: Int) {
        self.environment = environment
        self.host = host
        self.port = port
    }

    public func run() async throws {
        let server = ManagementServer(
            health: environment.health, metrics: environment.metrics, eventLoopGroup: environment.eventLoopGroup)
        let channel = try await server.start(host: host, port: port)
        let bound = channel.localAddress?.port ?? port
        environment.logger.info(
            "management port listens", metadata: [LogKey.port: "\(bound)", LogKey.address: "\(host)"])
        environment.httpPort.set(bound)
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await channel.closeFuture.get()
        } onCancelOrGracefulShutdown: {
            channel.close(promise: nil)
        }
    }
}
