// SPDX-License-Identifier: Apache-2.0
import Logging
import Observability

/// The settings that all services share.
public enum StandardKeys {
    public static let logLevel = ConfigurationKey<String>(
        "log.level", default: "info",
        help: "Lowest level that is logged: trace, debug, info, notice, warning, error, critical.",
        isShared: true
    ) {
        Logger.Level(rawValue: $0) == nil
            ? "must be one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))" : nil
    }

    public static let logFormat = ConfigurationKey<String>(
        "log.format", default: "json", help: "json, human, or auto: human when standard output is a terminal.",
        isShared: true
    ) { ["json", "human", "auto"].contains($0) ? nil : "must be json, human or auto" }

    public static let busSocket = ConfigurationKey<String>(
        "bus.socket", default: "/run/martlet/bus.sock", help: "Path of the bus's Unix socket.", isShared: true
    ) { $0.isEmpty ? "must not be empty" : nil }

    public static let databaseURL = ConfigurationKey<String>(
        "database.url", default: nil,
        help: "PostgreSQL as a libpq URI or keyword string: postgresql://role:secret@host/database.",
        isSecret: true, isShared: true, alias: "DATABASE_URL"
    ) { $0.isEmpty ? "must not be empty" : nil }

    public static let httpHost = ConfigurationKey<String>(
        "http.host", default: "127.0.0.1", help: "Address that the HTTP port listens on.")

    /// - Parameter port: the service's port by DESIGN section 4; 0 takes any free one.
    public static func httpPort(default port: Int) -> ConfigurationKey<Int> {
        ConfigurationKey("http.port", default: port, range: 0...65_535, help: "HTTP port; 0 takes any free one.")
    }

    public static let trustedProxies = ConfigurationKey<String>(
        "http.trusted.proxies", default: "loopback",
        help: "Whose X-Forwarded-For is believed: none, loopback, or private (loopback and private networks).",
        isShared: true
    ) { ["none", "loopback", "private"].contains($0) ? nil : "must be none, loopback or private" }

    /// In front of every service's own keys.
    public static let common: [any ConfigurationDeclaration] = [logLevel, logFormat, httpHost, trustedProxies]
}
