// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging
import NIOCore

/// A refusal as CoAP tells it: a ``ServiceError`` with its code, or one that only CoAP knows (4.02, 4.05, 4.06, …).
package struct Refusal: Error, Equatable, Sendable {
    package let code: CoAPCode
    /// A stable slug: the counter's label.
    package let reason: String
    /// One sentence for whoever reads the diagnostic payload.
    package let detail: String
    /// When a retry makes sense: Max-Age of 5.03 (RFC 7252 section 5.9.3.4) and 4.29 (RFC 8516).
    package var retryAfterSeconds: Int?
    /// Of 4.13: the largest body that would be taken (RFC 7959 section 4).
    package var largestBody: Int?

    package init(
        _ code: CoAPCode, reason: String, _ detail: String, retryAfterSeconds: Int? = nil, largestBody: Int? = nil
    ) {
        self.code = code
        self.reason = reason
        self.detail = detail
        self.retryAfterSeconds = retryAfterSeconds
        self.largestBody = largestBody
    }

    package init(_ error: ServiceError) {
        self.init(
            error.kind.coapCode, reason: error.reason, error.message, retryAfterSeconds: error.retryAfterSeconds)
    }

    package init(_ error: PathError) {
        self.init(
            error == .unknownPath ? .notFound : .badRequest, reason: error.reason, error.message)
    }

    /// The response with the detail as its diagnostic payload.
    package var response: CoAPResponse {
        var response = CoAPResponse(code)
        response.maxAge = retryAfterSeconds.map { UInt32(clamping: $0) }
        response.size1 = largestBody.map { UInt32(clamping: $0) }
        response.payload = ByteBuffer(string: detail)
        return response
    }
}

extension ServiceError.Kind {
    /// RFC 7252 section 5.9; 4.09 and 4.22 of RFC 8132, 4.29 of RFC 8516.
    package var coapCode: CoAPCode {
        switch self {
        case .malformed: .badRequest
        case .unauthenticated: .unauthorized
        case .forbidden: .forbidden
        case .notFound: .notFound
        case .conflict: .conflict
        case .payloadTooLarge: .requestEntityTooLarge
        case .unsupportedMediaType: .unsupportedContentFormat
        case .unprocessable: .unprocessableEntity
        case .tooManyRequests: .tooManyRequests
        case .unavailable: .serviceUnavailable
        case .internalFailure: .internalServerError
        }
    }
}

extension Refusal {
    package static let methodNotAllowed = Refusal(
        .methodNotAllowed, reason: "method", "Messages are published by POST or PUT, and read by GET.")

    package static let conditional = Refusal(
        .preconditionFailed, reason: "conditional", "If-Match and If-None-Match cannot be fulfilled here.")

    package static let overloaded = Refusal(
        .serviceUnavailable, reason: "overloaded",
        "More requests are under way than this server may hold; nothing was accepted.", retryAfterSeconds: 1)

    package static func malformedOption(_ number: UInt16) -> Refusal {
        Refusal(.badOption, reason: "option-malformed", "Option \(number) is repeated or too long.")
    }

    /// RFC 7959 section 2.2.
    static let reservedBlockSize = Refusal(
        .badRequest, reason: "block-size", "The block size 7 is reserved over UDP.")

    package static func unsupportedContentFormat(_ number: UInt16) -> Refusal {
        Refusal(
            .unsupportedContentFormat, reason: "content-format",
            "Content-Format \(number) is not known here: 110 (SenML JSON), 112 (SenML CBOR), 50, 42 are.")
    }

    package static let nothingStored = Refusal(
        .notFound, reason: "nothing-stored", "No message is stored here yet.")

    package static func notAcceptable(_ number: UInt16) -> Refusal {
        Refusal(.notAcceptable, reason: "accept", "Nothing can be had here in Content-Format \(number).")
    }
}
