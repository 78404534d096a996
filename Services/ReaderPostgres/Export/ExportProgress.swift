// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Notices a client that takes nothing of what it is sent.
final class ExportProgress: Sendable {
    /// Since when something waits for room in the socket; nil: nothing does.
    private let waiting = Mutex<ContinuousClock.Instant?>(nil)

    func begin() { waiting.withLock { $0 = .now } }
    func end() { waiting.withLock { $0 = nil } }

    /// Looks once a second until the task is cancelled; calls `stalled` once when something waited for longer than `limit`.
    func watch(limit: Duration, stalled: () -> Void) async {
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            let since = waiting.withLock { $0 }
            guard let since, ContinuousClock.now - since > limit else { continue }
            return stalled()
        }
    }
}
