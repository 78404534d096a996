// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization

/// A clock that stands until a test moves it.
final class VirtualClock: Sendable {
    private let nanoseconds = Mutex<Int64>(1_000_000_000_000)

    var clock: WallClock { WallClock { self.nanoseconds.withLock { $0 } } }

    func advance(by duration: Duration) {
        let (seconds, attoseconds) = duration.components
        nanoseconds.withLock { $0 += seconds * 1_000_000_000 + attoseconds / 1_000_000_000 }
    }
}
