// SPDX-License-Identifier: Apache-2.0
import Bus
import Core

extension ServiceError {
    /// What a device is told when the bus did not take its message.
    public init(publishing error: BusError) {
        switch error {
        case .budgetSpent(let seconds):
            self.init(
                .unavailable, reason: "storage-budget-spent",
                "The space for messages that are not yet stored is used up; nothing was accepted.",
                retryAfterSeconds: seconds)
        case .storageFailed(let detail):
            self.init(
                .unavailable, reason: "storage-failed", "The message could not be made durable; nothing was accepted.",
                detail: detail, retryAfterSeconds: 5)
        case .disconnected, .timeout, .closed, .noResponders, .slowConsumer:
            self.init(
                .unavailable, reason: "bus-unavailable",
                "The message bus is not reachable; whether the message was accepted is not known.",
                detail: "\(error)", retryAfterSeconds: 1)
        case .overloaded:
            self.init(
                .unavailable, reason: "bus-overloaded",
                "More messages are on their way than can be taken; nothing was accepted.", retryAfterSeconds: 1)
        case .payloadTooLarge(let limit):
            self.init(
                .payloadTooLarge, reason: "payload-too-large",
                "The message is larger than the \(limit) bytes that are accepted.")
        case .invalidSubject(let subject):
            self.init(
                .malformed, reason: "invalid-subtopic", "The subtopic cannot be used.", detail: "subject \(subject)")
        case .permissionDenied, .notCaptured, .takenOver, .notFound, .invalidConfiguration, .protocolViolation:
            self.init(
                .internalFailure, reason: "bus-refused", "The message could not be accepted.", detail: "\(error)")
        }
    }
}
