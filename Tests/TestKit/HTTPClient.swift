// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Single requests to a server on loopback from asynchronous tests, over ``BlockingHTTPConnection``.
///
/// Every request has a connection and, while it lasts, a thread of its own: nothing of the concurrency pool is blocked, which a server in
/// the same process needs, and no state is left from one request to the next.
public struct HTTPClient: Sendable {
    public typealias Response = BlockingHTTPConnection.Response

    public let port: Int
    /// Sent with every request; names as given.
    public var headers: [String: String]
    public var timeoutSeconds: Int

    public init(port: Int, headers: [String: String] = [:], timeoutSeconds: Int = 30) {
        self.port = port
        self.headers = headers
        self.timeoutSeconds = timeoutSeconds
    }

    public func send(
        _ method: String, _ path: String, headers: [String: String] = [:], body: [UInt8] = []
    ) async throws -> Response {
        let all = self.headers.merging(headers) { _, new in new }
        let (port, timeoutSeconds) = (port, timeoutSeconds)
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        let connection = BlockingHTTPConnection(port: port, timeoutSeconds: timeoutSeconds)
                        defer { connection.close() }
                        return try connection.send(method, path, headers: all.map { ($0.key, $0.value) }, body: body)
                    })
            }
        }
    }

    public func get(_ path: String, headers: [String: String] = [:]) async throws -> Response {
        try await send("GET", path, headers: headers)
    }

    /// Sends `body` as JSON.
    public func post(_ path: String, json body: some Encodable, headers: [String: String] = [:]) async throws
        -> Response
    {
        let bytes = try [UInt8](JSONEncoder().encode(body))
        let all = ["Content-Type": "application/json"].merging(headers) { _, new in new }
        return try await send("POST", path, headers: all, body: bytes)
    }

    public func post(_ path: String, text body: String, headers: [String: String] = [:]) async throws -> Response {
        try await send("POST", path, headers: headers, body: Array(body.utf8))
    }
}

extension BlockingHTTPConnection.Response {
    /// Decodes the body as JSON.
    public func json<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(body))
    }

    /// The members of a problem document (RFC 9457) that tests look at.
    public struct Problem: Decodable, Sendable, Equatable {
        public let type: String
        public let title: String
        public let status: Int
        public let detail: String
        public let reason: String
    }

    /// nil where the answer is no whole problem document.
    public var problem: Problem? {
        guard headers["content-type"]?.hasPrefix("application/problem+json") == true else { return nil }
        return try? json(Problem.self)
    }
}
