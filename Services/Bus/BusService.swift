// SPDX-License-Identifier: Apache-2.0
import Core
import Observability
import ServiceKit

/// The service as the runner sees it: configuration keys and composition.
public enum BusService {
    public static let description = ServiceDescription(
        name: "bus", summary: "the message bus: subjects, requests, durable streams", keys: BusKeys.all, build: build)

    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        let configuration = try BusKeys.read(environment.configuration)
        if let problem = configuration.problems().first {
            throw ConfigurationError.invalid(key: "bus", problem: problem)
        }
        ProcessMemory.keepBuffers()
        let daemon = BusDaemon(configuration, logger: environment.logger, clock: environment.clock)
        BusMetrics.register(daemon, in: environment.metrics, health: environment.health)
        return [
            daemon,
            ManagementService(
                environment: environment, host: try environment.configuration.required(StandardKeys.httpHost),
                port: try environment.configuration.required(BusKeys.httpPort)),
        ]
    }
}

extension BusDaemon: Service {
    /// Serves until the task is cancelled or a graceful shutdown begins.
    public func run() async throws {
        try await start()
        try? await gracefulShutdown()
        await stop()
    }
}
