// SPDX-License-Identifier: Apache-2.0
import Core

/// Wakes the dispatcher when a mail was committed to the queue.
struct MailQueue: Sendable {
    let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    init() {
        // One wake-up is as good as many.
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func wake() { wakeUp.yield() }

    /// What a route answers that needs mail where none can be sent.
    static let notConfigured = ServiceError(
        .unprocessable, reason: "mail-not-configured",
        "this installation sends no mail (smtp.host is not set); ask an administrator")
}
