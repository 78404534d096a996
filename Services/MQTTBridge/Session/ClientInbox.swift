// SPDX-License-Identifier: Apache-2.0
import CLinux
import DequeModule
import Glibc
import Synchronization

/// What other threads want of a client's thread: they append and wake it.
///
/// Bounded by its user: messages by ``Remote/maximumInFlight``, subscriptions by the number of mappings.
final class ClientInbox: Sendable {
    private struct State {
        var messages: Deque<OutgoingMessage> = []
        var subscriptions: Set<RemoteSubscription> = []
        var subscriptionsVersion: UInt64 = 0
        var isStopping = false
    }

    private let state = Mutex(State())
    let descriptor: Int32

    /// - Throws: when the system has no descriptor left.
    init() throws(RemotesProblem) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard descriptor >= 0 else { throw RemotesProblem(field: "", problem: "eventfd: no descriptor is left") }
    }

    deinit { close(descriptor) }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    func append(_ message: OutgoingMessage) {
        state.withLock { $0.messages.append(message) }
        wake()
    }

    /// Before all that waits, in their order.
    func putBack(_ messages: [OutgoingMessage]) {
        state.withLock { $0.messages.insert(contentsOf: messages, at: 0) }
    }

    func takeMessages() -> Deque<OutgoingMessage> {
        state.withLock { state in
            defer { state.messages = [] }
            return state.messages
        }
    }

    func subscribe(to subscriptions: Set<RemoteSubscription>) {
        state.withLock { state in
            guard state.subscriptions != subscriptions else { return }
            state.subscriptions = subscriptions
            state.subscriptionsVersion += 1
        }
        wake()
    }

    var subscriptions: (wanted: Set<RemoteSubscription>, version: UInt64) {
        state.withLock { ($0.subscriptions, $0.subscriptionsVersion) }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        wake()
    }

    private func wake() {
        var one: UInt64 = 1
        // Fails only when the counter is about to overflow, and then the thread is awake.
        _ = write(descriptor, &one, 8)
    }

    func acknowledgeWakes() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }

    /// Waits until the time is over or ``stop()`` was called.
    func pause(_ duration: Duration) {
        let end = ContinuousClock.now + duration
        while !isStopping {
            let left = end - ContinuousClock.now
            guard left > .zero else { return }
            var wake = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            _ = poll(
                &wake, 1,
                Int32(clamping: max(1, left / .milliseconds(1) > 1_000 ? 1_000 : Int(left / .milliseconds(1)))))
            acknowledgeWakes()
        }
    }
}
