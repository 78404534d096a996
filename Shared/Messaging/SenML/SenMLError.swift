// SPDX-License-Identifier: Apache-2.0
import Core

/// Why a SenML pack is refused. A pack is taken or refused as a whole.
public struct SenMLError: Error, Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// Not JSON at all.
        case json(JSONError.Kind)
        /// Not CBOR at all.
        case cbor(CBORError.Kind)
        /// The root is not an array (section 5), or an empty one (section 11: `SenML-Pack = [1* record]`).
        case notAnArray
        case emptyPack
        /// An element of the array is not an object (JSON) or map (CBOR).
        case notARecord
        /// More than ``Core/Limits/senmlRecords``.
        case tooManyRecords
        /// The same label twice in a record.
        case duplicateLabel(SenMLLabel)
        case wrongType(SenMLLabel)
        /// A number that is no finite double: NaN, infinite, or too large, also after adding the base value.
        case numberOutOfRange(SenMLLabel)
        /// A time, or base time plus time, outside what 64 bits of nanoseconds around 1970 hold (1677 to 2262).
        case timeOutOfRange(SenMLLabel)
        /// `bver` above ``SenMLDecoder/supportedVersion`` (section 4.4), or not positive.
        case unsupportedVersion
        /// Two records with different versions (section 4.4).
        case versionConflict
        /// A label that ends in `_` and is not understood (section 4.4).
        case reservedLabel(String)
        /// CBOR: a known label as text where section 6 has an integer.
        case textLabel(SenMLLabel)
        /// CBOR: `vs` or `vd` of indefinite length (section 6).
        case indefiniteLength(SenMLLabel)
        /// Neither value nor sum (section 4.2).
        case missingValue
        /// More than one of v, vs, vb, vd (section 4.2).
        case severalValues
        /// Neither name nor base name (section 4.5.1).
        case missingName
        /// The concatenated name has a character outside `A-Z a-z 0-9 - : . / _` (section 4.5.1).
        case nameCharacter
        /// The concatenated name does not begin with a letter or digit (section 4.5.1).
        case nameStart
        /// The concatenated name is longer than ``Core/Limits/nameBytes``.
        case nameTooLong
        /// JSON: `vd` is not base64url without padding (section 4.3).
        case invalidBase64
    }

    public let kind: Kind
    /// Zero-based index of the record; nil when it concerns the pack.
    public let record: Int?
    /// Byte offset where it was noticed; for a rule about a whole record, its end.
    public let offset: Int

    init(_ kind: Kind, record: Int?, offset: Int) {
        self.kind = kind
        self.record = record
        self.offset = offset
    }

    /// A stable slug for counters and problem types.
    public var reason: String { kind.reason }

    /// One sentence, with the record: `record 3: the label 'foo_' must be understood and is not.`
    public var message: String {
        guard let record else { return "\(kind.sentence) (byte \(offset))." }
        return "record \(record): \(kind.sentence) (byte \(offset))."
    }
}

extension SenMLError.Kind {
    /// A stable slug for counters and problem types.
    public var reason: String {
        switch self {
        case .json(let kind): "senml-\(kind.rawValue)"
        case .cbor(let kind): "senml-\(kind.rawValue)"
        case .notAnArray: "senml-not-an-array"
        case .emptyPack: "senml-empty"
        case .notARecord: "senml-not-a-record"
        case .tooManyRecords: "senml-too-many-records"
        case .duplicateLabel: "senml-duplicate-label"
        case .wrongType: "senml-wrong-type"
        case .numberOutOfRange: "senml-number-out-of-range"
        case .timeOutOfRange: "senml-time-out-of-range"
        case .unsupportedVersion: "senml-version"
        case .versionConflict: "senml-version-conflict"
        case .reservedLabel: "senml-reserved-label"
        case .textLabel: "senml-text-label"
        case .indefiniteLength: "senml-indefinite-length"
        case .missingValue: "senml-missing-value"
        case .severalValues: "senml-several-values"
        case .missingName: "senml-missing-name"
        case .nameCharacter: "senml-name-character"
        case .nameStart: "senml-name-start"
        case .nameTooLong: "senml-name-too-long"
        case .invalidBase64: "senml-base64"
        }
    }

    /// Without a full stop, so that a place can be named behind it.
    var sentence: String {
        switch self {
        case .json(let kind): kind.sentence
        case .cbor(let kind): kind.sentence
        case .notAnArray: "a SenML pack is an array of records"
        case .emptyPack: "a SenML pack has at least one record"
        case .notARecord: "a SenML record is an object (JSON) or a map (CBOR)"
        case .tooManyRecords: "a pack may have at most \(Limits.senmlRecords) records"
        case .duplicateLabel(let label): "the label '\(label.text)' is there twice"
        case .wrongType(let label): "the value of '\(label.text)' must be \(label.expectation)"
        case .numberOutOfRange(let label): "'\(label.text)' must be a finite number within the range of a double"
        case .timeOutOfRange(let label): "the time from '\(label.text)' lies outside the years 1678 to 2261"
        case .unsupportedVersion: "'bver' must be 1 to \(SenMLDecoder.supportedVersion)"
        case .versionConflict: "all records of a pack must have the same 'bver'"
        case .reservedLabel(let label): "the label '\(label)' must be understood and is not"
        case .textLabel(let label): "the label '\(label.text)' must be the integer \(label.number) in CBOR"
        case .indefiniteLength(let label): "the value of '\(label.text)' must have a definite length"
        case .missingValue: "a record needs one of 'v', 'vs', 'vb', 'vd' or a sum"
        case .severalValues: "a record may have only one of 'v', 'vs', 'vb', 'vd'"
        case .missingName: "a record needs a name ('n' or 'bn')"
        case .nameCharacter: "a name may have letters, digits and '-', ':', '.', '/', '_' only"
        case .nameStart: "a name must begin with a letter or digit"
        case .nameTooLong: "a name may have at most \(Limits.nameBytes) bytes"
        case .invalidBase64: "'vd' must be base64url text without padding"
        }
    }
}
