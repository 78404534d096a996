// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import Observability
import ServiceKit

/// Encrypts anew, once at each start, what an older key of the ring encrypted: when it has said so, that key is needed no more.
struct SecretsResealing: Service, CustomStringConvertible {
    private static let batch = 500

    let description = "secrets' keys"
    let store: any SealedKeysStore
    let secrets: SecretKeyRing
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await reseal()
            // A service that returns ends the others.
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(3_600)) }
        }
    }

    private func reseal() async {
        var backOff = BackOff()
        var after: ThingID?
        var resealed = 0
        var failed = 0
        while !Task.isCancelled {
            do throws(ServiceError) {
                let keys = try await store.keys(notSealedBy: secrets.currentKeyID, after: after, limit: Self.batch)
                for key in keys {
                    if let sealed = sealedAnew(key) {
                        try await store.reseal(key, as: sealed)
                        resealed += 1
                    } else {
                        failed += 1
                    }
                    after = key.thing
                }
                backOff.reset()
                guard keys.count < Self.batch else { continue }
                return report(resealed, failed)
            } catch {
                logger.warning("secrets are not encrypted anew yet", metadata: [LogKey.error: "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
    }

    /// nil: it cannot be decrypted.
    private func sealedAnew(_ key: SealedPreSharedKey) -> SecretKeyRing.Sealed? {
        guard let secret = try? secrets.open(key.sealed, of: key.thing) else { return nil }
        return try? secrets.seal(secret, of: key.thing)
    }

    private func report(_ resealed: Int, _ failed: Int) {
        if resealed > 0 {
            logger.info("secrets are encrypted with the new key", metadata: [LogKey.count: "\(resealed)"])
        }
        if failed > 0 {
            logger.error(
                "secrets cannot be decrypted: a key is missing in the file", metadata: [LogKey.count: "\(failed)"])
        }
    }
}
