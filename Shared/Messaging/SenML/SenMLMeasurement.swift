// SPDX-License-Identifier: Apache-2.0

/// One resolved measurement that owns its text: for building packs and for reading them where speed does not matter.
public struct SenMLMeasurement: Sendable, Equatable {
    public enum Value: Sendable, Equatable {
        case number(Double)
        case text(String)
        case boolean(Bool)
        case data([UInt8])
    }

    public var name: String
    public var unit: String?
    /// Nanoseconds since 1970.
    public var time: Int64
    /// nil only when there is a sum.
    public var value: Value?
    public var sum: Double?
    /// Nanoseconds.
    public var updateTime: Int64?

    public init(
        name: String, unit: String? = nil, time: Int64, value: Value?, sum: Double? = nil, updateTime: Int64? = nil
    ) {
        self.name = name
        self.unit = unit
        self.time = time
        self.value = value
        self.sum = sum
        self.updateTime = updateTime
    }
}
