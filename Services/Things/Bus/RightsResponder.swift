// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import Observability
import ServiceKit

/// Answers the adapters' questions: whose key, which thing, what right, which channel. Any number of instances share them as the queue group `things`.
struct RightsResponder: Service, CustomStringConvertible {
    private static let queueGroup = "things"

    let description = "rights"
    let bus: any Bus
    let store: any RightsStore
    let routes: DomainRoutes
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await bus.serveForever(logger: logger, identify) }
                group.addTask { await bus.serveForever(logger: logger, lookUpThing) }
                group.addTask { await bus.serveForever(logger: logger, authorize) }
                group.addTask { await bus.serveForever(logger: logger, lookUp) }
            }
        }
    }

    private func identify() async throws(BusError) {
        try await bus.serve(Subjects.identifyThing, queueGroup: Self.queueGroup, logger: logger) {
            (request: IdentifyRequest, _) async throws -> IdentifyResponse in
            guard let hash = DeviceKey.hash(hexadecimal: request.keyHash) else {
                throw ServiceError(.malformed, reason: "invalid-key-hash", "keyHash must be 64 hexadecimal digits")
            }
            return IdentifyResponse(thing: try await store.identify(keyHash: hash))
        }
    }

    private func lookUpThing() async throws(BusError) {
        try await bus.serve(Subjects.lookUpThing, queueGroup: Self.queueGroup, logger: logger) {
            (request: ThingLookupRequest, _) async throws -> ThingLookupResponse in
            try await store.lookUp(thing: request.thing)
        }
    }

    private func authorize() async throws(BusError) {
        try await bus.serve(Subjects.authorizeThing, queueGroup: Self.queueGroup, logger: logger) {
            (request: AuthorizeRequest, _) async throws -> AuthorizeResponse in
            let domain = try await named(request.domain)
            guard domain != .unknown, let channel = ChannelReference(request.channel) else {
                return AuthorizeResponse(outcome: .unknownChannel)
            }
            return AuthorizeResponse(
                outcome: try await store.authorize(
                    thing: request.thing, channel: channel, domain: domain.identifier))
        }
    }

    private func lookUp() async throws(BusError) {
        try await bus.serve(Subjects.lookUpChannel, queueGroup: Self.queueGroup, logger: logger) {
            (request: ChannelLookupRequest, _) async throws -> ChannelLookupResponse in
            let domain = try await named(request.domain)
            guard domain != .unknown, let channel = ChannelReference(request.channel) else {
                return ChannelLookupResponse(channel: nil)
            }
            return ChannelLookupResponse(
                channel: try await store.lookUp(
                    channel: channel, domain: domain.identifier, for: request.user))
        }
    }

    private enum NamedDomain: Equatable {
        /// The path named none.
        case any
        case known(DomainID)
        case unknown

        var identifier: DomainID? {
            guard case .known(let id) = self else { return nil }
            return id
        }
    }

    /// The domain of an identifier or route. What cannot be a name of a domain is the name of none.
    private func named(_ text: String?) async throws(ServiceError) -> NamedDomain {
        guard let text else { return .any }
        switch DomainReference(text) {
        case .identifier(let id)?: return .known(id)
        case .route(let route)?: return try await routes.domain(route: route).map(NamedDomain.known) ?? .unknown
        case nil: return .unknown
        }
    }
}
