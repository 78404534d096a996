// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import HTTPTypes
import Identity
import Logging
import Messaging
import NIOCore
import Observability
import ServiceKit
import Synchronization

/// Tells the journal about requests that were refused, or that could not be answered.
///
/// The first of a kind is published at once; the same again within ``window`` follows as one, with its count. What goes on is gathered for longer each
/// time, up to ``maximumWindows``: a client that repeats a refused request for ever makes 300 entries a day. While the bus is away they are counted on
/// and published later. Bounded by ``maximumKinds``; what is beyond is gathered by status alone, so that it is counted all the same. What a process
/// killed with -9 had gathered is lost: repetitions of ten seconds, of five minutes at most.
public final class RefusalReporter: Service, CustomStringConvertible {
    /// How long the same refusals are gathered.
    static let window: Duration = .seconds(10)
    /// For how many windows the repetitions of a kind are gathered at most: five minutes.
    static let maximumWindows = 30
    /// Kinds that are gathered at a time: at about 500 bytes each, 2 MiB.
    static let maximumKinds = 4_096

    /// What refusals have in common that are counted together.
    struct Kind: Hashable, Sendable {
        var method: String
        var route: String
        var status: Int
        var reason: String?
        var domain: DomainID?
        var actor: UserID?
        var address: String
        var entities: [EntityID]

        /// What is left of it when there are too many.
        var coarse: Kind {
            Kind(method: "*", route: "*", status: status, address: "various", entities: [])
        }
    }

    /// What came of a kind since it was told.
    struct Gathered {
        /// nil: the first was published, and nothing came since.
        var repeated: RefusedRequest?
        /// For how many windows it is gathered, and how many of them are over.
        var windows = 1
        var windowsOver = 0

        /// A window is over.
        /// - Returns: whether what was gathered is to be told now.
        mutating func endWindow() -> Bool {
            windowsOver += 1
            return windowsOver >= windows
        }

        /// It was told: the next time is longer.
        var continued: Gathered {
            Gathered(windows: min(windows * 2, RefusalReporter.maximumWindows))
        }
    }

    public let description = "refusals"
    private let bus: any Bus
    private let service: String
    private let clock: WallClock
    private let logger: Logger
    private let published: Observability.Counter
    private let failures: Observability.Counter
    private let kinds = Mutex<[Kind: Gathered]>([:])

    public init(bus: any Bus, environment: ServiceEnvironment) {
        self.bus = bus
        service = environment.name
        clock = environment.clock
        logger = environment.logger("refusals")
        published = environment.metrics.counter(
            "martlet_refusals_published_total", help: "Notices of refused requests, one for many of a kind.")
        failures = environment.metrics.counter(
            "martlet_refusals_failures_total", help: "Notices that the bus did not take, and that are tried again.")
        environment.metrics.observe(
            "martlet_refusals_gathered",
            help: "Kinds of refusals that are gathered now; at most 4,096 and one for each status."
        ) { [weak self] in Double(self?.kinds.withLock { $0.count } ?? 0) }
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: Self.window)) != nil { self.flush() }
        }
        flush(all: true)
    }

    func report(_ request: Request, _ context: ServiceRequestContext, status: Int) {
        guard let route = context.endpointPath, Self.isWorthTelling(request.method, status, context) else { return }
        let caller = context.caller
        let principal = caller.principal
        var entities = request.uri.path.split(separator: "/").prefix(16).compactMap { EntityID(String($0)) }
        if let user = caller.attempted { entities.append(EntityID(user)) }
        gather(
            Kind(
                method: request.method.rawValue, route: route, status: status, reason: caller.reason,
                domain: principal?.domain, actor: principal?.user, address: context.remoteAddress, entities: entities),
            RequestOrigin(
                address: context.remoteAddress, request: context.requestID, session: principal?.session,
                isKey: principal.map { $0.credential == .key }))
    }

    /// Every change that was not made; every read for which somebody had no right, or asked for what one does not see.
    private static func isWorthTelling(
        _ method: HTTPRequest.Method, _ status: Int, _ context: ServiceRequestContext
    ) -> Bool {
        guard status >= 400, context.endpointPath != "NotFound" else { return false }
        guard [.get, .head, .options].contains(method) else { return true }
        return status == 401 || status == 403 || (status == 404 && context.caller.principal != nil)
    }

    private func gather(_ kind: Kind, _ origin: RequestOrigin) {
        let now = clock.now()
        let first: RefusedRequest? = kinds.withLock { kinds in
            var (kind, origin) = (kind, origin)
            if kinds[kind] == nil, kinds.count >= Self.maximumKinds {
                kind = kind.coarse
                origin = RequestOrigin(address: kind.address, request: "")
            }
            guard kinds[kind] != nil else {
                kinds[kind] = Gathered()
                return refused(kind, origin, at: now)
            }
            if kinds[kind]?.repeated == nil {
                kinds[kind]?.repeated = refused(kind, origin, at: now)
            } else {
                kinds[kind]?.repeated?.count += 1
                kinds[kind]?.repeated?.until = now
            }
            return nil
        }
        if let first { publish(first, kind) }
    }

    private func refused(_ kind: Kind, _ origin: RequestOrigin, at now: Int64) -> RefusedRequest {
        RefusedRequest(
            id: .new(), at: now, until: now, count: 1, service: service, method: kind.method, route: kind.route,
            status: kind.status, reason: kind.reason, domain: kind.domain, actor: kind.actor, entities: kind.entities,
            origin: origin)
    }

    /// Publishes what was repeated, and forgets what was not.
    /// - Parameter all: also what would be gathered for longer.
    func flush(all: Bool = false) {
        let due: [(Kind, RefusedRequest)] = kinds.withLock { kinds in
            var due: [(Kind, RefusedRequest)] = []
            for (kind, var gathered) in kinds {
                if gathered.endWindow() || all {
                    if let repeated = gathered.repeated { due.append((kind, repeated)) }
                    kinds[kind] = gathered.repeated == nil ? nil : gathered.continued
                } else {
                    kinds[kind] = gathered
                }
            }
            return due
        }
        for (kind, repeated) in due { publish(repeated, kind) }
    }

    private func publish(_ refused: RefusedRequest, _ kind: Kind) {
        guard let payload = try? JSONEncoder().encode(refused) else {
            return logger.error("a refusal could not be written as JSON", metadata: [LogKey.route: "\(refused.route)"])
        }
        bus.publishDurably(BusMessage(subject: refused.subject, payload: ByteBuffer(bytes: payload))) { result in
            switch result {
            case .success: self.published.increment()
            case .failure: self.keep(refused, kind)
            }
        }
    }

    /// The bus did not take it: it is counted together with what comes.
    private func keep(_ refused: RefusedRequest, _ kind: Kind) {
        failures.increment()
        kinds.withLock { kinds in
            let kind = kinds[kind] == nil && kinds.count >= Self.maximumKinds ? kind.coarse : kind
            var sum = refused
            if let later = kinds[kind]?.repeated {
                sum.count += later.count
                sum.until = max(sum.until, later.until)
            }
            kinds[kind, default: Gathered()].repeated = sum
        }
    }
}
