// SPDX-License-Identifier: Apache-2.0
import Core

/// The last record of each SenML name, names in the order of their bytes.
struct LatestQuery: Sendable, Equatable {
    /// Of SenML records.
    var filter: MessageFilter
    /// By name.
    var start = PageStart<String>.offset(0)
    var limit = 10
    /// Whether to count the names: all of them have to be looked at.
    var countsTotal = false
}
