// SPDX-License-Identifier: Apache-2.0
import Bus

/// What of a log's configuration may change while it is open; see ``LogConfiguration`` for the meaning.
struct LogLimits: Sendable, Equatable {
    var maximumBytes: Int
    var retention: StreamConfiguration.Retention
    var maximumAgeSeconds: UInt64?

    init(_ configuration: LogConfiguration) {
        maximumBytes = configuration.maximumBytes
        retention = configuration.retention
        maximumAgeSeconds = configuration.maximumAgeSeconds
    }
}
