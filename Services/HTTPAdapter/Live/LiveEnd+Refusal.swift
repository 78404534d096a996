// SPDX-License-Identifier: Apache-2.0
import Core

extension Refusal {
    /// Why a live connection ends, in the words of an answer.
    init(_ end: LiveEnd) {
        switch end {
        case .withdrawn(let error): self.init(error)
        case .slowConsumer:
            self.init(
                status: 503, reason: "slow-consumer",
                "More was waiting to be read than is kept for one connection. Connect again and resume after the last message.",
                retryAfterSeconds: 1)
        case .shuttingDown:
            self.init(
                status: 503, reason: "shutting-down",
                "The server ends. Connect again and resume after the last message.", retryAfterSeconds: 1)
        }
    }
}
