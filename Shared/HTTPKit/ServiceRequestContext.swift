// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Hummingbird
import Identity
import Messaging
import NIOCore
import Observability

/// What a request carries through middlewares and handlers.
public struct ServiceRequestContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    /// The caller's address without port: the peer's, or what a trusted proxy says of it; `unknown` when the socket has none.
    public var remoteAddress: String
    /// Ours, or the caller's `X-Request-Id` when it is a sane one.
    public var requestID: String
    public var trace: TraceContext
    /// Who is asking; set on routes with ``Access/person``.
    public var principal: Principal? {
        didSet { caller.principal = principal }
    }
    let caller = RequestCaller()
    /// Ends the connection at once, on any thread: for a response that has to be cut off while it is being written.
    public let disconnect: @Sendable () -> Void

    public init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        remoteAddress = source.channel.remoteAddress?.ipAddress ?? "unknown"
        requestID = ""
        trace = TraceContext(traceHigh: 0, traceLow: 0, span: 0, flags: 0)
        disconnect = { [channel = source.channel] in channel.close(mode: .all, promise: nil) }
    }

    /// Where the request comes from, for the events of what it changes.
    var origin: RequestOrigin {
        RequestOrigin(
            address: remoteAddress, request: requestID, session: principal?.session,
            isKey: principal.map { $0.credential == .key })
    }

    /// Says in the journal whose credentials a request tried that is going to be refused.
    public func attempted(_ user: UserID) { caller.attempted = user }

    public var maxUploadSize: Int { HTTPLimits.bodyBytes }

    /// Who is asking.
    /// - Throws: `unauthenticated` on a route that did not ask for a token.
    public func requirePrincipal() throws(ServiceError) -> Principal {
        guard let principal else {
            throw ServiceError(.unauthenticated, reason: "no-credentials", "an access token is needed")
        }
        return principal
    }

    /// An identifier from the path.
    /// - Throws: `malformed` when it is not a UUID.
    public func identifier<Kind>(_ name: String, of _: Kind.Type = Kind.self) throws(ServiceError) -> Identifier<Kind> {
        let text = parameters.get(name) ?? ""
        guard let identifier = Identifier<Kind>(text) else {
            throw ServiceError(.malformed, reason: "invalid-identifier", "the path's \(name) is not a UUID")
        }
        return identifier
    }
}
