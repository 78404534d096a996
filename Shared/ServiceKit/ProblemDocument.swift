// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation

/// The body of every HTTP error: `application/problem+json` (RFC 9457), with Mainflux's `error` member beside it.
public struct ProblemDocument: Codable, Sendable, Equatable {
    public static let contentType = "application/problem+json"

    /// `urn:martlet:problem:<reason>`
    public var type: String
    /// The status's meaning in a few words.
    public var title: String
    public var status: Int
    /// What is wrong with this request.
    public var detail: String
    /// The slug that counters carry too.
    public var reason: String
    /// Mainflux's clients read this one; the same text as `detail`.
    public var error: String
    /// `urn:martlet:request:<request id>`, to find the request in the log.
    public var instance: String?

    public init(status: Int, title: String, reason: String, detail: String, requestID: String? = nil) {
        type = "urn:martlet:problem:\(reason)"
        self.title = title
        self.status = status
        self.detail = detail
        self.reason = reason
        error = detail
        instance = requestID.map { "urn:martlet:request:\($0)" }
    }

    public init(_ refusal: ServiceError, requestID: String? = nil) {
        self.init(
            status: refusal.kind.httpStatus, title: refusal.kind.httpTitle, reason: refusal.reason,
            detail: refusal.message,
            requestID: requestID)
    }

    /// The document as JSON, members sorted.
    public func json() -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and integers only: encoding cannot fail.
        return (try? encoder.encode(self)) ?? Data()
    }
}

extension ServiceError.Kind {
    /// RFC 9110 section 15; 429 is RFC 6585 section 4.
    public var httpStatus: Int {
        switch self {
        case .malformed: 400
        case .unauthenticated: 401
        case .forbidden: 403
        case .notFound: 404
        case .conflict: 409
        case .payloadTooLarge: 413
        case .unsupportedMediaType: 415
        case .unprocessable: 422
        case .tooManyRequests: 429
        case .unavailable: 503
        case .internalFailure: 500
        }
    }

    var httpTitle: String {
        switch self {
        case .malformed: "Bad Request"
        case .unauthenticated: "Unauthorized"
        case .forbidden: "Forbidden"
        case .notFound: "Not Found"
        case .conflict: "Conflict"
        case .payloadTooLarge: "Content Too Large"
        case .unsupportedMediaType: "Unsupported Media Type"
        case .unprocessable: "Unprocessable Content"
        case .tooManyRequests: "Too Many Requests"
        case .unavailable: "Service Unavailable"
        case .internalFailure: "Internal Server Error"
        }
    }
}
