// SPDX-License-Identifier: Apache-2.0
import Core
import ServiceKit

/// A refusal as HTTP tells it: a ``ServiceError`` with its status, or one that only HTTP knows (405, 408, 431, …).
struct Refusal: Error, Equatable {
    let status: Int
    /// A stable slug: the problem's type, the counter's label.
    let reason: String
    /// One sentence for whoever reads the answer.
    let detail: String
    var retryAfterSeconds: Int?
    /// The `Allow` field of a 405.
    var allow: String?
    /// Of a batch, from 1.
    var line: Int?

    init(
        status: Int, reason: String, _ detail: String, retryAfterSeconds: Int? = nil, allow: String? = nil,
        line: Int? = nil
    ) {
        self.status = status
        self.reason = reason
        self.detail = detail
        self.retryAfterSeconds = retryAfterSeconds
        self.allow = allow
        self.line = line
    }

    init(_ error: ServiceError) {
        self.init(
            status: error.kind.httpStatus, reason: error.reason, error.message,
            retryAfterSeconds: error.retryAfterSeconds)
    }

    /// The status's own name (RFC 9110 section 15, RFC 6585), the problem's title.
    static func title(of status: Int) -> String {
        switch status {
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 422: "Unprocessable Content"
        case 426: "Upgrade Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Error"
        }
    }
}

extension Refusal {
    /// The header fields that come with the status.
    var fields: [(name: String, value: String)] {
        var fields: [(String, String)] = []
        if let retryAfterSeconds { fields.append(("Retry-After", "\(retryAfterSeconds)")) }
        if let allow { fields.append(("Allow", allow)) }
        // A 401 must name a challenge (RFC 9110 section 15.5.2).
        if status == 401 {
            fields.append(("WWW-Authenticate", "Thing, Basic realm=\"martlet\", charset=\"UTF-8\""))
        }
        return fields
    }

    static let acknowledgementOverdue = Refusal(
        status: 503, reason: "acknowledgement-overdue",
        "The message was not confirmed in time; whether it was stored is not known. Send it again with the same Idempotency-Key.",
        retryAfterSeconds: 1)

    static let overloaded = Refusal(
        status: 503, reason: "overloaded",
        "More messages are under way than this server may hold; nothing was accepted. Send the message again.",
        retryAfterSeconds: 1)
}
