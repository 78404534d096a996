// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// The operations on things, channels, connections, groups and roles: rules here, rows in the store.
///
/// Each asks first whether the person may: what the person cannot see does not exist, what may be seen and not changed is forbidden.
struct Directory: Sendable {
    /// Things or channels of one request.
    static let maximumBulk = 1_000
    /// Pairs of one request: a hundred things on a hundred channels.
    static let maximumPairs = 10_000

    let store: any DirectoryStore
    let clock: WallClock
    /// nil: no key was configured, and pre-shared keys cannot be made.
    let secrets: SecretKeyRing?

    func events(_ actor: Actor) -> ChangeEvents { ChangeEvents(actor: actor, at: clock.now()) }

    func checkBulk(_ count: Int) throws(ServiceError) {
        guard (1...Self.maximumBulk).contains(count) else {
            throw ServiceError(
                .unprocessable, reason: "bulk-size", "one request must hold 1 to \(Self.maximumBulk) entries")
        }
    }
}
