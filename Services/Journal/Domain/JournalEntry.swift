// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// One line of the journal.
struct JournalEntry: Sendable, Equatable {
    enum Result: String, Sendable, CaseIterable {
        /// The change was made.
        case done
        /// It was not: the request was at fault, or not allowed.
        case refused
        /// It was not: something on our side was at fault.
        case failed
    }

    var id: EventID
    /// Nanoseconds since 1970.
    var at: Int64
    /// When it happened last; nil where it happened once.
    var until: Int64?
    /// How often it happened: above 1 only where refusals of a kind were counted together.
    var count: Int
    var service: String
    /// What it is about: `thing`, `channel`, `connection`, …
    var entity: String
    /// `thing.updated`; for a request that was refused its method and route: `PATCH /things/{id}`.
    var operation: String
    var result: Result
    /// HTTP status of a request that was refused.
    var status: Int?
    var reason: String?
    var domain: DomainID?
    /// Who did it, or tried; nil: the system itself, or nobody that was recognised.
    var actor: UserID?
    var origin: RequestOrigin?
    /// All that it touches, without kinds.
    var entities: [EntityID]
    /// The notice as it was announced: JSON.
    var detail: String
}

extension JournalEntry {
    /// A change that was made.
    init(_ event: EntityEvent, detail: String) {
        var entities: [EntityID] = []
        if let thing = event.thing { entities.append(EntityID(thing)) }
        if let channel = event.channel { entities.append(EntityID(channel)) }
        if let group = event.group { entities.append(EntityID(group)) }
        if let user = event.user { entities.append(EntityID(user)) }
        if let session = event.session { entities.append(EntityID(session)) }
        // A domain's own changes are about the domain; all others happen in it.
        if event.entity == "domain", let domain = event.domain { entities.append(EntityID(domain)) }
        self.init(
            id: event.id, at: event.at, until: nil, count: 1, service: event.service, entity: event.entity,
            operation: "\(event.entity).\(event.what)", result: .done, status: nil, reason: nil, domain: event.domain,
            actor: event.actor, origin: event.origin, entities: entities.uniqued, detail: detail)
    }

    /// A change that was not.
    init(_ refused: RefusedRequest, detail: String) {
        self.init(
            id: refused.id, at: refused.at, until: refused.count > 1 ? refused.until : nil,
            count: max(1, refused.count), service: refused.service, entity: Self.entity(of: refused.route),
            operation: "\(refused.method) \(refused.route)", result: refused.status >= 500 ? .failed : .refused,
            status: refused.status, reason: refused.reason, domain: refused.domain, actor: refused.actor,
            origin: refused.origin, entities: refused.entities.uniqued, detail: detail)
    }

    /// `/:domain/things/:id` is about a thing.
    private static func entity(of route: String) -> String {
        let first = route.split(separator: "/").first { !$0.hasPrefix(":") && !$0.hasPrefix("{") }
        guard let first else { return "request" }
        return String(first.hasSuffix("s") ? first.dropLast() : first)
    }
}

extension [EntityID] {
    /// In the same order, each once.
    fileprivate var uniqued: [EntityID] {
        var seen: Set<EntityID> = []
        return filter { seen.insert($0).inserted }
    }
}
