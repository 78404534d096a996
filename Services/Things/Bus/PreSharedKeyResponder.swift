// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import Observability
import ServiceKit

/// Tells adapters the pre-shared keys, in the clear: the bus lets only those ask that finish DTLS handshakes (`Services/Bus/Roles`).
struct PreSharedKeyResponder: Service, CustomStringConvertible {
    private static let queueGroup = "things"
    /// Up to 600 KB each.
    private static let pagesAtOnce = 4

    let description = "pre-shared keys"
    private let bus: any Bus
    private let store: any SealedKeysStore
    private let secrets: SecretKeyRing?
    private let logger: Logger
    private let unreadable: Counter

    init(
        bus: any Bus, store: any SealedKeysStore, secrets: SecretKeyRing?, metrics: MetricsRegistry, logger: Logger
    ) {
        self.bus = bus
        self.store = store
        self.secrets = secrets
        self.logger = logger
        unreadable = metrics.counter(
            "martlet_things_psk_unreadable_total",
            help: "Pre-shared keys that were asked for and could not be decrypted.")
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await bus.serveForever(logger: logger, pages) }
                group.addTask { await bus.serveForever(logger: logger, lookUp) }
            }
        }
    }

    private func pages() async throws(BusError) {
        try await bus.serve(
            Subjects.preSharedKeys, queueGroup: Self.queueGroup, maximumConcurrentRequests: Self.pagesAtOnce,
            logger: logger
        ) { (request: PreSharedKeysRequest, _) async throws -> PreSharedKeysResponse in
            guard (1...PreSharedKeysRequest.maximumLimit).contains(request.limit) else {
                throw ServiceError(
                    .malformed, reason: "invalid-limit",
                    "limit must be 1 to \(PreSharedKeysRequest.maximumLimit)")
            }
            let sealed = try await store.sealedKeys(after: request.after, limit: request.limit)
            return PreSharedKeysResponse(
                keys: opened(sealed), next: sealed.count < request.limit ? nil : sealed.last?.thing)
        }
    }

    private func lookUp() async throws(BusError) {
        try await bus.serve(Subjects.lookUpPreSharedKey, queueGroup: Self.queueGroup, logger: logger) {
            (request: PreSharedKeyLookupRequest, _) async throws -> PreSharedKeyLookupResponse in
            let sealed: SealedPreSharedKey?
            switch (request.thing, request.identity) {
            case (let thing?, nil): sealed = try await store.sealedKey(of: thing)
            case (nil, let identity?): sealed = try await store.sealedKey(identity: identity)
            default:
                throw ServiceError(.malformed, reason: "invalid-lookup", "either thing or identity must be set")
            }
            return PreSharedKeyLookupResponse(key: opened(sealed.map { [$0] } ?? []).first)
        }
    }

    /// Without those that cannot be decrypted: the others' devices must not suffer from it.
    private func opened(_ keys: [SealedPreSharedKey]) -> [PreSharedKeyRecord] {
        var failure: (thing: ThingID, error: ServiceError)?
        var records: [PreSharedKeyRecord] = []
        records.reserveCapacity(keys.count)
        for key in keys {
            do throws(ServiceError) {
                guard let secrets else { throw ThingsRefusal.noSecretsKey }
                records.append(
                    PreSharedKeyRecord(
                        thing: key.thing, domain: key.domain, identity: key.identity,
                        secret: Data(try secrets.open(key.sealed, of: key.thing)).base64EncodedString(),
                        version: key.version))
            } catch {
                failure = (key.thing, error)
            }
        }
        if let failure {
            unreadable.increment(by: UInt64(keys.count - records.count))
            logger.error(
                "pre-shared keys cannot be decrypted: their devices are not let in",
                metadata: [
                    LogKey.count: "\(keys.count - records.count)", LogKey.thing: "\(failure.thing)",
                    LogKey.reason: "\(failure.error.reason)", LogKey.detail: "\(failure.error.detail ?? "")",
                ])
        }
        return records
    }
}
