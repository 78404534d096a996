// SPDX-License-Identifier: Apache-2.0
import ServiceKit

/// The daemon's configuration keys; README.md explains them.
enum BusKeys {
    private static let defaults = BusConfiguration(socketPath: "", dataDirectory: "")

    static let data = ConfigurationKey<String>(
        "data", default: "/var/lib/martlet/bus", help: "Directory of the streams' logs and the consumers' positions."
    ) { $0.isEmpty ? "must not be empty" : nil }
    static let httpPort = StandardKeys.httpPort(default: 8190)
    static let socketMode = ConfigurationKey<String>(
        "socket.mode", default: "660", help: "Permissions of the socket file, octal: who may connect at all."
    ) { UInt16($0, radix: 8).map { $0 <= 0o777 } == true ? nil : "must be an octal number up to 777" }
    static let allowedUsers = ConfigurationKey<String>(
        "allowed.users", default: "",
        help: "Numeric user identifiers, comma separated, that may connect besides root and the daemon's own."
    ) { users($0) == nil ? "must be numbers separated by commas" : nil }
    static let roles = ConfigurationKey<String>(
        "roles", default: nil, help: "JSON file with roles that are added to or replace the ones compiled in.")
    static let testRole = ConfigurationKey<Bool>(
        "test.role", default: false, help: "Grant the role 'test' everything; never in production.")
    static let connections = ConfigurationKey<Int>(
        "connections.maximum", default: defaults.maximumConnections, range: 1...65_000, help: "Connections at most.")
    static let highWater = ConfigurationKey<Int>(
        "high.water.bytes", default: defaults.highWaterBytes, range: 65_536...1 << 30,
        help: "Unsent bytes of a connection above which its publishers are paused.")
    static let connectionBytes = ConfigurationKey<Int>(
        "connection.maximum.bytes", default: defaults.maximumConnectionBytes, range: 4 << 20...4 << 30,
        help: "Unsent bytes of a connection above which it is cut off.")
    static let bufferedBytes = ConfigurationKey<Int>(
        "buffered.maximum.bytes", default: defaults.maximumBufferedBytes, range: 4 << 20...64 << 30,
        help: "Unsent bytes of all connections together.")
    static let stallLimit = ConfigurationKey<Int>(
        "stall.limit.milliseconds", default: defaults.stallLimitMilliseconds, range: 100...3_600_000,
        help: "A connection that stays above its high-water mark for longer is cut off.")
    static let messagesBytes = budget("messages.maximum.bytes", defaults.messagesMaximumBytes, "messages")
    static let eventsBytes = budget("events.maximum.bytes", defaults.eventsMaximumBytes, "events")
    static let refusalsBytes = budget("refusals.maximum.bytes", defaults.refusalsMaximumBytes, "refusals")
    static let deadLettersBytes = budget(
        "dead.letters.maximum.bytes", defaults.deadLettersMaximumBytes, "dead-letters")
    static let segmentBytes = ConfigurationKey<Int>(
        "segment.bytes", default: Int(defaults.segmentBytes), range: 1 << 20...1 << 30,
        help: "Size of a log segment, the unit of deletion.")
    static let tailCache = ConfigurationKey<Int>(
        "tail.cache.bytes", default: defaults.tailCacheBytes, range: 4 << 20...1 << 30,
        help: "Memory of each stream for consumers that keep up.")

    static let all: [any ConfigurationDeclaration] = [
        StandardKeys.busSocket, data, httpPort, socketMode, allowedUsers, roles, testRole, connections, highWater,
        connectionBytes, bufferedBytes, stallLimit, messagesBytes, eventsBytes, refusalsBytes, deadLettersBytes,
        segmentBytes, tailCache,
    ]

    private static func budget(_ name: String, _ bytes: UInt64, _ stream: String) -> ConfigurationKey<Int> {
        ConfigurationKey(
            name, default: Int(bytes), range: 4 << 20...1 << 50, help: "Disk budget of the stream '\(stream)'.")
    }

    private static func users(_ text: String) -> [UInt32]? {
        var users: [UInt32] = []
        for part in text.split(separator: ",") {
            guard let user = UInt32(part) else { return nil }
            users.append(user)
        }
        return users
    }

    static func read(_ settings: ServiceConfiguration) throws(ConfigurationError) -> BusConfiguration {
        var configuration = BusConfiguration(
            socketPath: try settings.required(StandardKeys.busSocket), dataDirectory: try settings.required(data))
        configuration.socketMode = UInt16(try settings.required(socketMode), radix: 8) ?? configuration.socketMode
        configuration.allowedUserIDs = users(try settings.required(allowedUsers)) ?? []
        configuration.rolesFile = settings.optional(roles)
        configuration.allowsTestRole = try settings.required(testRole)
        configuration.maximumConnections = try settings.required(connections)
        configuration.highWaterBytes = try settings.required(highWater)
        configuration.maximumConnectionBytes = try settings.required(connectionBytes)
        configuration.maximumBufferedBytes = try settings.required(bufferedBytes)
        configuration.stallLimitMilliseconds = try settings.required(stallLimit)
        configuration.messagesMaximumBytes = UInt64(try settings.required(messagesBytes))
        configuration.eventsMaximumBytes = UInt64(try settings.required(eventsBytes))
        configuration.refusalsMaximumBytes = UInt64(try settings.required(refusalsBytes))
        configuration.deadLettersMaximumBytes = UInt64(try settings.required(deadLettersBytes))
        configuration.segmentBytes = UInt64(try settings.required(segmentBytes))
        configuration.tailCacheBytes = try settings.required(tailCache)
        return configuration
    }
}
