// SPDX-License-Identifier: Apache-2.0

/// How much waits in queues.
struct StoreSize: Equatable, Sendable {
    var entries = 0
    /// Of their envelopes, counted for each entry.
    var bytes = 0

    static func += (left: inout StoreSize, right: StoreSize) {
        left.entries &+= right.entries
        left.bytes &+= right.bytes
    }

    static func -= (left: inout StoreSize, right: StoreSize) {
        left.entries &-= right.entries
        left.bytes &-= right.bytes
    }
}

extension StoreSize {
    /// From `count(*), sum(bytes)`.
    init(_ row: StoreRow) throws(StoreFault) {
        self.init(entries: try row.number(0), bytes: try row.number(1))
    }
}
