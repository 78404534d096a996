// SPDX-License-Identifier: Apache-2.0

/// A message's code (RFC 7252 section 12.1): three bits of class, five of detail, written `c.dd`.
struct CoAPCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    let rawValue: UInt8

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// - Parameters:
    ///   - codeClass: 0 to 7.
    ///   - detail: 0 to 31.
    private init(_ codeClass: UInt8, _ detail: UInt8) { rawValue = codeClass << 5 | detail & 0x1F }

    var codeClass: UInt8 { rawValue >> 5 }
    var detail: UInt8 { rawValue & 0x1F }
    var isSuccess: Bool { codeClass == 2 }

    var description: String { "\(codeClass).\(detail < 10 ? "0" : "")\(detail)" }

    static let empty = CoAPCode(0, 0)

    // RFC 7252 section 12.1.2, and what later documents added.
    static let deleted = CoAPCode(2, 2)
    static let valid = CoAPCode(2, 3)
    static let changed = CoAPCode(2, 4)
    static let content = CoAPCode(2, 5)
    /// RFC 7959 section 2.9.1.
    static let `continue` = CoAPCode(2, 31)
    static let badRequest = CoAPCode(4, 0)
    static let unauthorized = CoAPCode(4, 1)
    static let badOption = CoAPCode(4, 2)
    static let forbidden = CoAPCode(4, 3)
    static let notFound = CoAPCode(4, 4)
    static let methodNotAllowed = CoAPCode(4, 5)
    static let notAcceptable = CoAPCode(4, 6)
    /// RFC 7959 section 2.9.2.
    static let requestEntityIncomplete = CoAPCode(4, 8)
    /// RFC 8132 section 4.
    static let conflict = CoAPCode(4, 9)
    static let preconditionFailed = CoAPCode(4, 12)
    static let requestEntityTooLarge = CoAPCode(4, 13)
    static let unsupportedContentFormat = CoAPCode(4, 15)
    /// RFC 8132 section 4.
    static let unprocessableEntity = CoAPCode(4, 22)
    /// RFC 8516.
    static let tooManyRequests = CoAPCode(4, 29)
    static let internalServerError = CoAPCode(5, 0)
    static let notImplemented = CoAPCode(5, 1)
    static let serviceUnavailable = CoAPCode(5, 3)
}

/// A request's method (RFC 7252 section 12.1.1, RFC 8132).
enum CoAPMethod: UInt8, Sendable, CaseIterable {
    case get = 1
    case post = 2
    case put = 3
    case delete = 4
    case fetch = 5
    case patch = 6
    case ipatch = 7

    var name: String {
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
