// SPDX-License-Identifier: Apache-2.0
import Core

/// How a request/reply operation between services looks on the bus: JSON both ways.
///
/// The request's payload is the request itself (no payload at all counts as `{}`). The answer is one of
///
///     {"result": …}
///     {"error": {"kind": "notFound", "reason": "unknown-channel", "message": "…", "retryAfterSeconds": 5}}
///
/// where `kind` is a ``Core/ServiceError/Kind``; one that is not known is read as `internalFailure`. ``Bus/call(_:_:returning:timeout:headers:)``
/// and ``Bus/serve(_:queueGroup:maximumConcurrentRequests:logger:ready:handler:)`` speak it.
public enum RPC {
    /// For operations without parameters, or without anything to say in return.
    public struct Empty: Codable, Sendable, Equatable {
        public init() {}
    }

    /// What a handler knows of a request beside its parameters.
    public struct Context: Sendable {
        /// The subject it came on: with a wildcard filter its tokens are parameters too.
        public var subject: String
        public var headers: BusHeaders

        public init(subject: String, headers: BusHeaders) {
            self.subject = subject
            self.headers = headers
        }
    }

    /// The error member of an answer. ``Core/ServiceError/detail`` stays with the service that failed.
    struct Failure: Codable, Sendable {
        var kind: String
        var reason: String
        var message: String
        var retryAfterSeconds: Int?

        init(_ error: ServiceError) {
            kind = error.kind.rawValue
            reason = error.reason
            message = error.message
            retryAfterSeconds = error.retryAfterSeconds
        }

        var error: ServiceError {
            ServiceError(
                ServiceError.Kind(rawValue: kind) ?? .internalFailure, reason: reason, message,
                retryAfterSeconds: retryAfterSeconds)
        }
    }

    struct Success<Value: Encodable>: Encodable {
        var result: Value
    }

    struct Refusal: Encodable {
        var error: Failure
    }

    struct Answer<Value: Decodable>: Decodable {
        var result: Value?
        var error: Failure?
    }
}
