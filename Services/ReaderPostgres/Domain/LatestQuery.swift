// SPDX-License-Identifier: Apache-2.0
import Core

/// The last record of each SenML name, names in the order of their bytes.
struct LatestQuery: Sendable, Equatable {
    enum Start: Sendable, Equatable {
        case offset(Int)
        /// Behind this name.
        case after(String)
    }

    /// Of SenML records.
    var filter: MessageFilter
    var start = Start.offset(0)
    var limit = 10
    /// Whether to count the names: all of them have to be looked at.
    var countsTotal = false
}
