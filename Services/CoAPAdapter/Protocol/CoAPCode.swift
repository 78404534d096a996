// SPDX-License-Identifier: Apache-2.0

/// A message's code (RFC 7252 section 12.1): three bits of class, five of detail, written `c.dd`.
package struct CoAPCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// - Parameters:
    ///   - codeClass: 0 to 7.
    ///   - detail: 0 to 31.
    private init(_ codeClass: UInt8, _ detail: UInt8) { rawValue = codeClass << 5 | detail & 0x1F }

    package var codeClass: UInt8 { rawValue >> 5 }
    package var detail: UInt8 { rawValue & 0x1F }
    package var isSuccess: Bool { codeClass == 2 }

    package var description: String { "\(codeClass).\(detail < 10 ? "0" : "")\(detail)" }

    package static let empty = CoAPCode(0, 0)

    // RFC 7252 section 12.1.2, and what later documents added.
    package static let deleted = CoAPCode(2, 2)
    package static let valid = CoAPCode(2, 3)
    package static let changed = CoAPCode(2, 4)
    package static let content = CoAPCode(2, 5)
    /// RFC 7959 section 2.9.1.
    package static let `continue` = CoAPCode(2, 31)
    package static let badRequest = CoAPCode(4, 0)
    package static let unauthorized = CoAPCode(4, 1)
    package static let badOption = CoAPCode(4, 2)
    package static let forbidden = CoAPCode(4, 3)
    package static let notFound = CoAPCode(4, 4)
    package static let methodNotAllowed = CoAPCode(4, 5)
    package static let notAcceptable = CoAPCode(4, 6)
    /// RFC 7959 section 2.9.2.
    package static let requestEntityIncomplete = CoAPCode(4, 8)
    /// RFC 8132 section 4.
    package static let conflict = CoAPCode(4, 9)
    package static let preconditionFailed = CoAPCode(4, 12)
    package static let requestEntityTooLarge = CoAPCode(4, 13)
    package static let unsupportedContentFormat = CoAPCode(4, 15)
    /// RFC 8132 section 4.
    package static let unprocessableEntity = CoAPCode(4, 22)
    /// RFC 8516.
    package static let tooManyRequests = CoAPCode(4, 29)
    package static let internalServerError = CoAPCode(5, 0)
    package static let notImplemented = CoAPCode(5, 1)
    package static let serviceUnavailable = CoAPCode(5, 3)
}

/// A request's method (RFC 7252 section 12.1.1, RFC 8132).
package enum CoAPMethod: UInt8, Sendable, CaseIterable {
    case get = 1
    case post = 2
    case put = 3
    case delete = 4
    case fetch = 5
    case patch = 6
    case ipatch = 7

    package var name: String {
        switch self {
        case .get: "GET"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .fetch: "FETCH"
        case .patch: "PATCH"
        case .ipatch: "iPATCH"
        }
    }
}
