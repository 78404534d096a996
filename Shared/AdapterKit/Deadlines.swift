// SPDX-License-Identifier: Apache-2.0
import NIOCore
import ServiceKit

extension ServiceConfiguration {
    /// A setting in milliseconds, as event loops want it.
    public func milliseconds(_ key: ConfigurationKey<Int>) throws(ConfigurationError) -> TimeAmount {
        .milliseconds(Int64(try required(key)))
    }
}

extension TimeAmount {
    /// How often connections are asked for their deadlines: at least twice within the shortest of them, but not more often than every 5 ms.
    ///
    /// - Parameter usual: where no deadline is short.
    public static func sweepInterval(_ usual: TimeAmount, within deadlines: TimeAmount...) -> TimeAmount {
        let shortest = deadlines.min() ?? usual
        return min(usual, .nanoseconds(max(5_000_000, shortest.nanoseconds / 2)))
    }
}
