// SPDX-License-Identifier: Apache-2.0

extension CoAPDatagram {
    /// A request method or response code, `c.dd` (RFC 7252 section 12.1).
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        public var rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public init(_ codeClass: UInt8, _ detail: UInt8) { rawValue = codeClass << 5 | detail & 31 }

        public var codeClass: UInt8 { rawValue >> 5 }
        public var detail: UInt8 { rawValue & 31 }
        /// `4.04`
        public var description: String { "\(codeClass).\(detail < 10 ? "0" : "")\(detail)" }

        public static let empty = Code(0, 0)
        public static let get = Code(0, 1)
        public static let post = Code(0, 2)
        public static let put = Code(0, 3)
        public static let delete = Code(0, 4)
        public static let created = Code(2, 1)
        public static let deleted = Code(2, 2)
        public static let valid = Code(2, 3)
        public static let changed = Code(2, 4)
        public static let content = Code(2, 5)
        public static let `continue` = Code(2, 31)
        public static let badRequest = Code(4, 0)
        public static let unauthorized = Code(4, 1)
        public static let badOption = Code(4, 2)
        public static let forbidden = Code(4, 3)
        public static let notFound = Code(4, 4)
        public static let methodNotAllowed = Code(4, 5)
        public static let notAcceptable = Code(4, 6)
        public static let requestEntityIncomplete = Code(4, 8)
        public static let requestEntityTooLarge = Code(4, 13)
        public static let unsupportedContentFormat = Code(4, 15)
        public static let tooManyRequests = Code(4, 29)
        public static let internalServerError = Code(5, 0)
        public static let serviceUnavailable = Code(5, 3)
    }
}
