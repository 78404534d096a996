// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Tells a session's thread from outside that its server is not worth waiting for any more.
final class Abandonment: Sendable {
    private let flag = Atomic(false)

    var isAbandoned: Bool { flag.load(ordering: .relaxed) }
    func abandon() { flag.store(true, ordering: .relaxed) }
    func reset() { flag.store(false, ordering: .relaxed) }
}
