// SPDX-License-Identifier: Apache-2.0

/// The fields that RFC 8428 defines (table 1); the raw value is a bit position.
public enum SenMLLabel: UInt8, Sendable, CaseIterable {
    case baseVersion, baseName, baseTime, baseUnit, baseValue, baseSum
    case name, unit, value, stringValue, booleanValue, sum, time, updateTime, dataValue

    /// The member name in JSON.
    public var text: String {
        switch self {
        case .baseVersion: "bver"
        case .baseName: "bn"
        case .baseTime: "bt"
        case .baseUnit: "bu"
        case .baseValue: "bv"
        case .baseSum: "bs"
        case .name: "n"
        case .unit: "u"
        case .value: "v"
        case .stringValue: "vs"
        case .booleanValue: "vb"
        case .sum: "s"
        case .time: "t"
        case .updateTime: "ut"
        case .dataValue: "vd"
        }
    }

    /// The map key in CBOR (table 4).
    public var number: Int {
        switch self {
        case .baseVersion: -1
        case .baseName: -2
        case .baseTime: -3
        case .baseUnit: -4
        case .baseValue: -5
        case .baseSum: -6
        case .name: 0
        case .unit: 1
        case .value: 2
        case .stringValue: 3
        case .booleanValue: 4
        case .sum: 5
        case .time: 6
        case .updateTime: 7
        case .dataValue: 8
        }
    }

    /// What a label's value has to be.
    var expectation: String {
        switch self {
        case .baseName, .baseUnit, .name, .unit, .stringValue: "a string"
        case .baseVersion: "a positive integer"
        case .baseTime, .baseValue, .baseSum, .value, .sum, .time, .updateTime: "a number"
        case .booleanValue: "true or false"
        case .dataValue: "base64url text without padding in JSON, a byte string in CBOR"
        }
    }

    @inline(__always)
    var bit: UInt16 { 1 << UInt16(rawValue) }

    /// bn, bt, …: apply to this record and those behind it.
    static let baseFields: UInt16 =
        SenMLLabel.baseVersion.bit | baseName.bit | baseTime.bit | baseUnit.bit | baseValue.bit | baseSum.bit
    static let values: UInt16 = SenMLLabel.value.bit | stringValue.bit | booleanValue.bit | dataValue.bit

    @inline(__always)
    init?(jsonName name: UnsafeRawBufferPointer) {
        let label: SenMLLabel?
        switch name.count {
        case 1: label = Self.single(name[0])
        case 2: label = Self.double(name[0], name[1])
        case 4:
            let isVersion =
                name[0] == UInt8(ascii: "b") && name[1] == UInt8(ascii: "v") && name[2] == UInt8(ascii: "e")
                && name[3] == UInt8(ascii: "r")
            label = isVersion ? .baseVersion : nil
        default: label = nil
        }
        guard let label else { return nil }
        self = label
    }

    @inline(__always)
    private static func single(_ byte: UInt8) -> SenMLLabel? {
        switch byte {
        case UInt8(ascii: "n"): .name
        case UInt8(ascii: "u"): .unit
        case UInt8(ascii: "v"): .value
        case UInt8(ascii: "s"): .sum
        case UInt8(ascii: "t"): .time
        default: nil
        }
    }

    @inline(__always)
    private static func double(_ first: UInt8, _ second: UInt8) -> SenMLLabel? {
        switch (first, second) {
        case (UInt8(ascii: "b"), UInt8(ascii: "n")): .baseName
        case (UInt8(ascii: "b"), UInt8(ascii: "t")): .baseTime
        case (UInt8(ascii: "b"), UInt8(ascii: "u")): .baseUnit
        case (UInt8(ascii: "b"), UInt8(ascii: "v")): .baseValue
        case (UInt8(ascii: "b"), UInt8(ascii: "s")): .baseSum
        case (UInt8(ascii: "v"), UInt8(ascii: "s")): .stringValue
        case (UInt8(ascii: "v"), UInt8(ascii: "b")): .booleanValue
        case (UInt8(ascii: "v"), UInt8(ascii: "d")): .dataValue
        case (UInt8(ascii: "u"), UInt8(ascii: "t")): .updateTime
        default: nil
        }
    }

    @inline(__always)
    init?(number: Int) {
        switch number {
        case -1: self = .baseVersion
        case -2: self = .baseName
        case -3: self = .baseTime
        case -4: self = .baseUnit
        case -5: self = .baseValue
        case -6: self = .baseSum
        case 0: self = .name
        case 1: self = .unit
        case 2: self = .value
        case 3: self = .stringValue
        case 4: self = .booleanValue
        case 5: self = .sum
        case 6: self = .time
        case 7: self = .updateTime
        case 8: self = .dataValue
        default: return nil
        }
    }
}
