// SPDX-License-Identifier: Apache-2.0

/// What a ``Writer`` is told.
struct WriterConfiguration: Sendable {
    var limits = BatchLimits(rows: 20_000, bytes: 8 << 20)
    var windowMessages = 65_536
    var windowBytes = 32 << 20
    /// 0: keep for ever.
    var retentionDays = 0
    var retentionIsDryRun = false
    var partitionPastDays = 92
    var maintenanceInterval: Duration = .seconds(900)
    /// How often the stream is asked how long it is, for the lag.
    var lagInterval: Duration = .seconds(5)
}
