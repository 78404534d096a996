// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Observability

/// What may not take for ever, looked at every now and then.
extension Connection {
    /// From the question whose key it is to CONNACK, at least.
    private static let answerTimeout = TimeAmount.seconds(10)

    /// Called at every sweep.
    func checkDeadlines(_ now: NIODeadline) {
        let limits = broker.limits
        switch phase {
        case .connecting:
            if now > openedAt + limits.connectTimeout {
                broker.metrics.refused("connect-timeout", on: listener)
                closeNow()
            }
        case .authenticating:
            // `things` and the store have times of their own; this ends what neither did.
            if !isQueued, now > openedAt + max(limits.connectTimeout, Self.answerTimeout) {
                broker.metrics.refused("answer-timeout")
                closeNow()
            }
        case .connected:
            if hasStalled(now) {
                broker.metrics.slowConsumers.increment()
                return closeNow()
            }
            if let certificateExpiresAt, certificateExpiresAt <= broker.now {
                return end(.notAuthorized, "the client certificate has expired")
            }
            releaseRoom(now)
            // What waits for this side is not the client's silence.
            guard !isWaiting,
                keepAlive.hasExpired(
                    lastPacketAt: Int64(clamping: lastPacketAt.uptimeNanoseconds),
                    now: Int64(clamping: now.uptimeNanoseconds))
            else { return }
            end(.keepAliveTimeout, "nothing was heard for one and a half times the keep-alive")
        case .closed: break
        }
    }

    /// Whether something has waited for the client for longer than it may, and nothing of it was taken meanwhile.
    private func hasStalled(_ now: NIODeadline) -> Bool {
        guard let channel = context?.channel, !channel.isWritable else {
            slowness?.stall = nil
            return false
        }
        let slowness = slowness ?? Slowness()
        self.slowness = slowness
        // While the channel is full nothing is added to it: another number means that the client reads.
        let bytes = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        guard let known = slowness.stall, known.bytes == bytes else {
            slowness.stall = (now, bytes)
            return false
        }
        return now > known.since + broker.limits.stallTimeout
    }
}
