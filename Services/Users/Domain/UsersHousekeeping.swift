// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import ServiceKit

/// Rotates signing keys, follows other instances' rotations, and deletes sessions that ended long ago.
struct UsersHousekeeping: Service, CustomStringConvertible {
    let store: UsersStore
    let signer: TokenSigner
    let clock: WallClock
    let logger: Logger

    var description: String { "housekeeping" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: .seconds(TokenSigner.reloadSeconds))) != nil {
                do {
                    try await signer.prepare()
                    try await store.deleteEndedSessions(now: clock.now())
                } catch {
                    logger.warning("housekeeping failed and will be tried again", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}
