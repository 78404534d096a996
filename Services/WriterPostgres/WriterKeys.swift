// SPDX-License-Identifier: Apache-2.0
import ServiceKit

/// The writer's settings: `MARTLET_WRITER_POSTGRES_<NAME>`.
public enum WriterKeys {
    public static let httpPort = StandardKeys.httpPort(default: 9104)
    public static let batchRows = ConfigurationKey<Int>(
        "batch.rows", default: 20_000, range: 1...1_000_000, help: "Rows of a transaction, about.")
    public static let batchBytes = ConfigurationKey<Int>(
        "batch.bytes", default: 8 << 20, range: 1...(256 << 20), help: "Bytes of a transaction, about.")
    public static let windowMessages = ConfigurationKey<Int>(
        "window.messages", default: 65_536, range: 1...1_000_000,
        help: "Messages received and not yet stored, at most; what is beyond stays in the bus's log.")
    public static let windowBytes = ConfigurationKey<Int>(
        "window.bytes", default: 32 << 20, range: (2 << 20)...(1 << 30),
        help: "Bytes received and not yet stored, at most.")
    public static let retentionDays = ConfigurationKey<Int>(
        "retention.days", default: 0, range: 0...36_500,
        help: "Days that messages are kept, by their own time; 0 keeps them for ever.")
    public static let retentionDryRun = ConfigurationKey<Bool>(
        "retention.dry-run", default: false, help: "Only log what retention would drop.")
    public static let partitionPastDays = ConfigurationKey<Int>(
        "partitions.past-days", default: 92, range: 0...1_000,
        help:
            "How far back a message's time may lie and still get a partition of its day; older ones go to the default partition."
    )

    public static let all: [any ConfigurationDeclaration] = [
        StandardKeys.busSocket, StandardKeys.databaseURL, httpPort, batchRows, batchBytes, windowMessages, windowBytes,
        retentionDays, retentionDryRun, partitionPastDays,
    ]
}
