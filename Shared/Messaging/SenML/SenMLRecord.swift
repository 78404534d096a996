// SPDX-License-Identifier: Apache-2.0

/// One resolved measurement in a ``SenMLBatch``; its text lies in the batch's bytes.
public struct SenMLRecord: Sendable, Equatable {
    /// Bytes of a ``SenMLBatch``.
    public struct Slice: Sendable, Equatable {
        public let offset: Int
        public let count: Int

        @inlinable
        public init(offset: Int, count: Int) {
            self.offset = offset
            self.count = count
        }
    }

    public enum Value: Sendable, Equatable {
        /// Only a sum (RFC 8428 section 4.2).
        case none
        case number(Double)
        /// UTF-8; may contain U+0000, which PostgreSQL's text cannot hold.
        case text(Slice)
        case boolean(Bool)
        case data(Slice)
    }

    /// Nanoseconds since 1970, absolute.
    public var time: Int64
    /// The period, in nanoseconds, within which another reading is promised.
    public var updateTime: Int64?
    /// Base name and name: ASCII letters, digits and `- : . / _`.
    public var name: Slice
    /// UTF-8, not empty; may contain U+0000.
    public var unit: Slice?
    public var value: Value
    public var sum: Double?
    /// Which record of the pack it was, zero-based: sorting by time does not change it, so it identifies the measurement within its message.
    public var index: Int

    public init(
        time: Int64, updateTime: Int64? = nil, name: Slice, unit: Slice? = nil, value: Value, sum: Double? = nil,
        index: Int
    ) {
        self.time = time
        self.updateTime = updateTime
        self.name = name
        self.unit = unit
        self.value = value
        self.sum = sum
        self.index = index
    }
}
