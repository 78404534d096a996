// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Observability

/// Who waits for this client to take what it has.
extension Connection {
    /// Whether more waits for the client than it should, and it is still waited for (``Pressure``).
    var isPressed: Bool {
        guard phase == .connected, !keepsUp else { return false }
        return slowness?.pressure.isPatient(.now()) ?? true
    }

    private var isHolding: Bool { slowness?.pressure.isHolding ?? false }

    /// Whether little waits for the client.
    var keepsUp: Bool { !hasBacklog(part: 4) }

    /// Calls `action` when the client has taken most of what waits for it, is gone, or was waited for long enough.
    func hold(_ action: @escaping () -> Void) {
        let slowness = slowness ?? Slowness()
        self.slowness = slowness
        guard slowness.pressure.hold(action) else { return }
        let episode = slowness.pressure.episode
        let bound = NIOLoopBound(self, eventLoop: broker.eventLoop)
        broker.eventLoop.scheduleTask(in: broker.limits.patience) {
            let connection = bound.value
            guard let slowness = connection.slowness, slowness.pressure.episode == episode,
                slowness.pressure.isHolding
            else { return }
            connection.broker.metrics.outwaited.increment()
            slowness.pressure.giveUp(.now())
            connection.letGo()
        }
    }

    /// Lets those go on who wait for the client, if it has taken what it had.
    func releaseHeld() {
        guard isHolding, !hasBacklog(part: 8) else { return }
        letGo()
    }

    /// Not at once: what goes on may write to this client, whose writing may be what led here.
    func letGo() {
        guard let slowness, slowness.pressure.isHolding else { return }
        let bound = NIOLoopBound(slowness.pressure.takeHeld(), eventLoop: broker.eventLoop)
        broker.eventLoop.execute {
            for action in bound.value { action() }
        }
    }

    /// Whether at least this part of what may wait in memory waits.
    private func hasBacklog(part: Int) -> Bool {
        if out.readableBytes >= broker.limits.outgoingBytes / part { return true }
        guard let session else { return false }
        return session.queuedBytes >= broker.limits.queueMemoryBytes / part
    }
}
