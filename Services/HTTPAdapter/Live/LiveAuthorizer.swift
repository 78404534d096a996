// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging

/// Who asks for a live connection.
enum LiveCaller: Sendable {
    case thing(Credential)
    /// A person's access token.
    case person(String)

    init(authorization: String?) throws(ServiceError) {
        if let authorization, Credential.isBearer(authorization: authorization) {
            self = .person(String(authorization.dropFirst(7).drop { $0 == " " }))
        } else {
            self = .thing(try Credential.parse(authorization: authorization))
        }
    }
}

/// What a live connection may do, and what watches over it.
struct LiveAccess: Sendable {
    let channel: ChannelID
    /// Whether it gets the channel's messages.
    let subscribes: Bool
    /// Set when it may send.
    let publish: Grant?
    fileprivate let things: [LiveSession]
    fileprivate let person: PersonSession?

    /// Ends the watch, when the connection has ended.
    func cancel() {
        for session in things { session.cancel() }
        person?.cancel()
    }
}

/// Decides about live connections: a thing by its rights, a person as for reading what is stored.
struct LiveAuthorizer: Sendable {
    let things: ThingAuthenticator
    let people: PersonAuthenticator

    /// - Parameters:
    ///   - publishes: whether the connection could send, as a WebSocket can.
    ///   - onEnd: called, maybe more than once, on any thread, when one of the rights is gone.
    func authorize(
        _ caller: LiveCaller, _ address: ChannelAddress, publishes: Bool,
        onEnd: @escaping @Sendable (ServiceError) -> Void
    ) async throws(ServiceError) -> LiveAccess {
        switch caller {
        case .person(let token):
            let session = try await people.open(token: token, channel: address, onEnd: onEnd)
            return LiveAccess(channel: session.channel, subscribes: true, publish: nil, things: [], person: session)
        case .thing(let credential):
            return try await authorize(credential, address, publishes: publishes, onEnd: onEnd)
        }
    }

    private func authorize(
        _ credential: Credential, _ address: ChannelAddress, publishes: Bool,
        onEnd: @escaping @Sendable (ServiceError) -> Void
    ) async throws(ServiceError) -> LiveAccess {
        var grants: [Grant] = []
        var refusal: ServiceError?
        for right in publishes ? [AccessRight.subscribe, .publish] : [.subscribe] {
            do throws(ServiceError) {
                grants.append(
                    try await things.authorize(AccessRequest(credential: credential, channel: address, right: right)))
            } catch {
                // Known and not allowed the one: perhaps the other.
                guard error.kind == .forbidden else { throw error }
                refusal = refusal ?? error
            }
        }
        guard let channel = grants.first?.channel else { throw refusal ?? .noRight }
        return LiveAccess(
            channel: channel, subscribes: grants.contains { $0.right == .subscribe },
            publish: grants.first { $0.right == .publish },
            things: grants.map { things.watch($0, credential: credential, reference: address, onEnd: onEnd) },
            person: nil)
    }
}

extension ServiceError {
    fileprivate static let noRight = ServiceError(
        .forbidden, reason: "subscribe-not-allowed", "The thing may not subscribe to this channel.")
}
