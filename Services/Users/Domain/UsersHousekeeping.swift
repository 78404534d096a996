// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import Observability
import ServiceKit

/// Rotates signing keys, follows other instances' rotations, and deletes what is over:
/// sessions that ended long ago, failed logins of yesterday.
struct UsersHousekeeping: Service, CustomStringConvertible {
    let store: UsersStore
    let signer: TokenSigner
    let clock: WallClock
    let lockedIdentities: Gauge
    let logger: Logger

    var description: String { "housekeeping" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: .seconds(TokenSigner.reloadSeconds))) != nil {
                do {
                    try await signer.prepare()
                    let now = clock.now()
                    try await store.deleteEndedSessions(now: now)
                    try await store.deleteOldLoginFailures(now: now)
                    try await store.deleteOldPasswordResets(now: now)
                    try await store.deleteOldInvitations(now: now)
                    lockedIdentities.set(Double(try await store.lockedIdentities(now: now)))
                } catch {
                    logger.warning("housekeeping failed and will be tried again", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}
