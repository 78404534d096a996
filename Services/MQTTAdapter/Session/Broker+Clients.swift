// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import NIOCore

/// Which clients an operator asks for; nil: whatever it is.
struct ClientFilter: Sendable, Equatable {
    enum State: String, Sendable, CaseIterable {
        /// There is a connection.
        case connected
        /// There is none, and the session waits for the client.
        case kept
    }

    var thing: ThingID?
    var domain: DomainID?
    var listener: Listener.Kind?
    var state: State?

    func matches(_ session: Session) -> Bool {
        if let thing, session.identity.thing != thing { return false }
        if let domain, session.identity.domain != domain { return false }
        if let listener, session.connection?.listener != listener { return false }
        guard let state else { return true }
        return state == (session.isConnected ? .connected : .kept)
    }
}

/// What operators see of a client. Times are nanoseconds since 1970.
struct ClientDescription: Sendable, Equatable {
    struct Connected: Sendable, Equatable {
        /// Address and port; what a trusted proxy says where there is one, without a port.
        let address: String?
        let listener: Listener.Kind
        let since: Int64
        /// 0: none.
        let keepAliveSeconds: Int
        let hasCertificate: Bool
        let receivedBytes: Int
        let sentBytes: Int
    }

    /// Of one filter.
    struct Filter: Sendable, Equatable {
        let filter: String
        let qos: UInt8
    }

    let key: SessionKey
    let domain: DomainID
    let version: ProtocolVersion
    let connected: Connected?
    /// When its last connection ended.
    let closedAt: Int64?
    /// When the session does, unless the client comes back; nil: with its connection, or never.
    let expiresAt: Int64?
    let expirySeconds: UInt32
    let subscriptions: [Filter]
    let queuedMessages: Int
    let queuedBytes: Int
    let storedMessages: Int
    let storedBytes: Int
    /// To the client, not acknowledged.
    let inFlight: Int
    /// From the client, on their way to the bus.
    let publishing: Int
}

extension Session {
    fileprivate var clientDescription: ClientDescription {
        ClientDescription(
            key: key, domain: identity.domain, version: version, connected: connection?.connectedDescription,
            closedAt: closedAt, expiresAt: closedAt.flatMap { expiry.end(closedAt: $0) },
            expirySeconds: expiry.seconds,
            subscriptions: subscriptions.values.map {
                ClientDescription.Filter(filter: $0.filter.text, qos: $0.options.maximumQoS.rawValue)
            }.sorted { $0.filter < $1.filter },
            queuedMessages: queue.count, queuedBytes: queuedBytes, storedMessages: storedEntries,
            storedBytes: storedBytes, inFlight: sender.inFlightCount, publishing: unsettled)
    }
}

extension Connection {
    fileprivate var connectedDescription: ClientDescription.Connected {
        ClientDescription.Connected(
            address: forwardedAddress ?? context?.channel.remoteAddress.flatMap(Self.text), listener: listener,
            since: connectedAt,
            keepAliveSeconds: Int(keepAlive.seconds), hasCertificate: certificateExpiresAt != nil,
            receivedBytes: receivedBytes, sentBytes: sentBytes)
    }

    /// A request to speak MQTT over WebSocket came.
    func cameBy(_ peer: SocketAddress?, forwardedFor: String?) {
        guard let peer = peer?.ipAddress else { return }
        let caller = broker.operators.callerAddress(peer: peer, forwardedFor: forwardedFor)
        if caller != peer { forwardedAddress = caller }
    }

    private static func text(_ address: SocketAddress) -> String? {
        guard let host = address.ipAddress, let port = address.port else { return nil }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

/// The clients, for those who are not on the broker's event loop.
struct ClientDirectory: Sendable {
    /// Sessions that are looked at in one round of the event loop, in which no message is delivered.
    private static let sliceSize = 4_096

    let broker: NIOLoopBound<Broker>

    /// All that match, in their order: by thing, then by client identifier.
    func keys(_ filter: ClientFilter) async throws -> [SessionKey] {
        let (broker, eventLoop) = (broker, broker.eventLoop)
        let sessions = try await eventLoop.submit {
            NIOLoopBound(broker.value.sessions.all, eventLoop: eventLoop)
        }.get()
        var keys: [SessionKey] = []
        var start = 0
        while true {
            let (first, size) = (start, Self.sliceSize)
            let slice = try await eventLoop.submit { () -> [SessionKey]? in
                let sessions = sessions.value.dropFirst(first).prefix(size)
                return sessions.isEmpty ? nil : sessions.filter(filter.matches).map(\.key)
            }.get()
            guard let slice else { break }
            keys += slice
            start += size
        }
        return keys.sorted()
    }

    /// Those that are still there.
    func describe(_ keys: [SessionKey]) async throws -> [ClientDescription] {
        let broker = broker
        return try await broker.eventLoop.submit {
            keys.compactMap { broker.value.sessions[$0]?.clientDescription }
        }.get()
    }

    /// Ends a client's connection, and its session as well. The client did not say goodbye: its will is published.
    ///
    /// - Parameter domain: whose client it must be; nil: anybody's.
    /// - Returns: the client as it was; nil: there is none.
    func disconnect(
        _ key: SessionKey, endsSession: Bool, in domain: DomainID?
    ) async throws -> ClientDescription? {
        let broker = broker
        return try await broker.eventLoop.submit { () -> ClientDescription? in
            let broker = broker.value
            guard let session = broker.sessions[key], domain == nil || session.identity.domain == domain else {
                return nil
            }
            let description = session.clientDescription
            session.connection?.end(.administrativeAction, "an operator ended the connection")
            if endsSession, broker.sessions[key] === session { broker.end(session) }
            broker.flushSoon()
            return description
        }.get()
    }
}

extension SessionKey: Comparable {
    static func < (left: SessionKey, right: SessionKey) -> Bool {
        left.thing == right.thing ? left.clientIdentifier < right.clientIdentifier : left.thing < right.thing
    }
}
