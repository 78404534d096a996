// SPDX-License-Identifier: Apache-2.0
import Core

/// Where a request came from: what an event says beside who did it.
public struct RequestOrigin: Codable, Sendable, Equatable {
    /// The caller's address without port, as far as trusted proxies tell it.
    public var address: String
    /// The answer's `X-Request-Id`, which the logs name too.
    public var request: String
    /// The session or the key that was used; nil: none was needed.
    public var session: SessionID?
    /// Whether `session` is a key for programs.
    public var isKey: Bool?

    public init(address: String, request: String, session: SessionID? = nil, isKey: Bool? = nil) {
        self.address = address
        self.request = request
        self.session = session
        self.isKey = isKey
    }

    /// Of the request that is being answered; nil outside of one.
    @TaskLocal public static var current: RequestOrigin?
}
