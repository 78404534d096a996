// SPDX-License-Identifier: Apache-2.0
import Logging
import ServiceKit

/// Announces locks of identities, a moment after them: in the request itself the event would make the answer later where somebody has the
/// identity, and only there.
struct LockOutAnnouncer: Service, CustomStringConvertible {
    let store: UsersStore
    let logger: Logger

    /// At the most so long after the lock.
    private static let interval: Duration = .seconds(1)

    var description: String { "lock-outs" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: Self.interval)) != nil {
                do {
                    try await store.announceLockOuts()
                } catch {
                    logger.warning("locks wait to be announced", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}
