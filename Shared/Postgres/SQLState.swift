// SPDX-License-Identifier: Apache-2.0

/// A five-character error code of the server (PostgreSQL documentation, appendix A).
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    /// The first two characters: the class of the error.
    public var errorClass: Substring { rawValue.prefix(2) }
    public var description: String { rawValue }

    public static let numericValueOutOfRange = SQLState(rawValue: "22003")
    public static let notNullViolation = SQLState(rawValue: "23502")
    public static let foreignKeyViolation = SQLState(rawValue: "23503")
    public static let uniqueViolation = SQLState(rawValue: "23505")
    public static let checkViolation = SQLState(rawValue: "23514")
    public static let exclusionViolation = SQLState(rawValue: "23P01")
    public static let inFailedTransaction = SQLState(rawValue: "25P02")
    public static let invalidStatementName = SQLState(rawValue: "26000")
    public static let serializationFailure = SQLState(rawValue: "40001")
    public static let deadlockDetected = SQLState(rawValue: "40P01")
    public static let insufficientPrivilege = SQLState(rawValue: "42501")
    public static let undefinedTable = SQLState(rawValue: "42P01")
    public static let duplicateTable = SQLState(rawValue: "42P07")
    public static let duplicateObject = SQLState(rawValue: "42710")
    public static let featureNotSupported = SQLState(rawValue: "0A000")
    public static let lockNotAvailable = SQLState(rawValue: "55P03")
    public static let queryCanceled = SQLState(rawValue: "57014")
    public static let adminShutdown = SQLState(rawValue: "57P01")
    public static let crashShutdown = SQLState(rawValue: "57P02")
    public static let cannotConnectNow = SQLState(rawValue: "57P03")

    /// Classes 22 (data exception) and 23 (integrity constraint violation): the data is at fault, and will be the next time too.
    public var isDataError: Bool { errorClass == "22" || errorClass == "23" }

    /// Worth another try with the same input: 08 connection, 40 transaction rollback, 53 insufficient resources (disk full, too many
    /// connections), 55P03 lock, 57 operator intervention (57014, a cancelled statement, included), 58 system error (I/O), 25P03 idle
    /// transaction ended, 25006 a standby before its promotion.
    public var isRetriable: Bool {
        switch errorClass {
        case "08", "40", "53", "57", "58": true
        default: self == .lockNotAvailable || rawValue == "25P03" || rawValue == "25006"
        }
    }
}
