// SPDX-License-Identifier: Apache-2.0
import CLinux
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
        keepMemory()
        let daemon = BusDaemon(configuration, logger: environment.logger, clock: environment.clock)
        BusMetrics.register(daemon, in: environment.metrics, health: environment.health)
        return [
            daemon,
            ManagementService(
                environment: environment, host: try environment.configuration.required(StandardKeys.httpHost),
                port: try environment.configuration.required(BusKeys.httpPort)),
        ]
    }

    /// Output buffers of some hundred kilobytes come and go with every tick: they must not be mapped and unmapped each time.
    private static func keepMemory() {
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 64 << 20)
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
