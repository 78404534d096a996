// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import Observability
import ServiceLifecycle
import UnixSignals

/// Runs a service as a process.
///
///     @main struct Executable { static func main() async { await ServiceRunner.main(UsersService.description) } }
public enum ServiceRunner {
    /// After SIGTERM or SIGINT everything has this long to end by itself; then its tasks are cancelled.
    static let gracefulShutdownSeconds = 20

    /// Reads the configuration, builds the service and runs it until SIGTERM or SIGINT. Exits the process: 0 after an orderly end, 1 otherwise.
    public static func main(_ description: ServiceDescription, arguments: [String] = CommandLine.arguments) async {
        // A peer that closes its socket must show up as an error of that write, not end the process.
        signal(SIGPIPE, SIG_IGN)
        if arguments.contains("--help") {
            print(
                ServiceConfiguration.usage(
                    service: description.name, summary: description.summary, keys: description.allKeys), terminator: "")
            exit(0)
        }
        if arguments.contains("--version") {
            print("\(description.name) \(Version.current)")
            exit(0)
        }
        let configuration: ServiceConfiguration
        do {
            configuration = try await ServiceConfiguration.load(
                service: description.name, keys: description.allKeys, arguments: arguments)
        } catch {
            refuse(description.name, error)
        }
        if arguments.contains("--check-config") {
            print("\(description.name): configuration is valid")
            exit(0)
        }
        do {
            try await run(description, configuration: configuration)
        } catch let error as ConfigurationError {
            refuse(description.name, error)
        } catch {
            Logger(label: description.name).critical(
                "service ended", metadata: [LogKey.error: "\(String(reflecting: error))"])
            exit(1)
        }
        exit(0)
    }

    private static func run(_ description: ServiceDescription, configuration: ServiceConfiguration) async throws {
        let logger = bootstrapLogging(service: description.name, configuration: configuration)
        let metrics = MetricsRegistry()
        ProcessMetrics.register(in: metrics)
        let health = HealthRegistry(
            version: Version.current, description: "\(description.name): \(description.summary)")
        let environment = ServiceEnvironment(
            name: description.name, configuration: configuration, logger: logger, metrics: metrics, health: health)
        for variable in configuration.unknownEnvironmentVariables {
            logger.warning("environment variable is not known and ignored", metadata: [LogKey.reason: "\(variable)"])
        }
        logger.info("service starts", metadata: [LogKey.version: "\(Version.current)"])
        let services = try await description.build(environment)
        try await serve(services, logger: logger)
        logger.info("service ended")
    }

    /// Runs until a signal comes or a service ends; the order is that of starting, the reverse that of shutting down.
    private static func serve(_ services: [any Service], logger: Logger) async throws {
        var group = ServiceGroupConfiguration(
            services: services.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = .seconds(gracefulShutdownSeconds)
        try await ServiceGroup(configuration: group).run()
    }

    private static func bootstrapLogging(service: String, configuration: ServiceConfiguration) -> Logger {
        let level = configuration.optional(StandardKeys.logLevel).flatMap(Logger.Level.init(rawValue:)) ?? .info
        let format: StructuredLogHandler.Format =
            switch configuration.optional(StandardKeys.logFormat) {
            case "human": .human
            case "auto" where LogOutput.isTerminal(STDOUT_FILENO): .human
            default: .json
            }
        LoggingSystem.bootstrap { label in
            StructuredLogHandler(label: label, service: service, level: level, format: format)
        }
        return Logger(label: service)
    }

    private static func refuse(_ name: String, _ error: ConfigurationError) -> Never {
        LogOutput.standardError.write(text: "\(name): \(error)\n")
        exit(1)
    }
}
