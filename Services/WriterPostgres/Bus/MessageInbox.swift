// SPDX-License-Identifier: Apache-2.0
import Bus
import Synchronization

/// Where delivered messages wait for the builder, and the builder for the committer.
///
/// Bounded by the consumer's window of unacknowledged messages (policy: the bus delivers no more), because what comes again is dropped here.
final class MessageInbox: Sendable {
    enum Step: Sendable {
        /// Put these into the batch.
        case append([StreamMessage])
        /// The committer is idle, or the batch is full and the committer has become idle: hand the batch over.
        case commit
        case end
    }

    private struct State {
        /// The first ``taken`` of them have been handed on.
        var messages: [StreamMessage] = []
        var taken = 0
        var lastSequence: UInt64 = 0
        var isCommitting = false
        var isFinished = false
        var waiter: CheckedContinuation<Void, Never>?

        /// Lets go of what was handed on once it is as much as what waits: each message is moved once at the most, on average, and whoever is behind for
        /// long does not keep all that ever came.
        mutating func forgetTaken() {
            if taken == messages.count {
                messages.removeAll(keepingCapacity: messages.capacity <= MessageInbox.keptCapacity)
                taken = 0
            } else if taken >= messages.count - taken {
                messages.removeSubrange(..<taken)
                taken = 0
            }
        }
    }

    /// Small enough that a batch is not much larger than its limits.
    private static let messagesPerStep = 256
    /// Of the memory for messages that wait, what is kept when none do: half a megabyte.
    private static let keptCapacity = 4_096

    private let state = Mutex(State())

    /// How many wait.
    var count: Int { state.withLock { $0.messages.count - $0.taken } }

    /// How many are in memory here.
    var held: Int { state.withLock { $0.messages.count } }

    /// Takes delivered messages in order of sequence, dropping those that were delivered before.
    func push(_ delivered: [StreamMessage]) {
        wake { state in
            for message in delivered where message.sequence > state.lastSequence {
                state.messages.append(message)
                state.lastSequence = message.sequence
            }
        }
    }

    /// Waits until the committer is idle and takes its turn. False: the consumer has ended meanwhile.
    func beginCommit() async -> Bool {
        // A full batch is never given more to append.
        if case .commit = await next(hasBatch: true, isFull: true) { return true }
        return false
    }

    func committed() { wake { $0.isCommitting = false } }

    func finish() { wake { $0.isFinished = true } }

    /// What the builder has to do next; suspends while there is nothing.
    func next(hasBatch: Bool, isFull: Bool) async -> Step {
        while true {
            let step: Step? = state.withLock { state in
                if !isFull, state.taken < state.messages.count {
                    let end = min(state.taken + Self.messagesPerStep, state.messages.count)
                    let slice = Array(state.messages[state.taken..<end])
                    state.taken = end
                    state.forgetTaken()
                    return .append(slice)
                }
                if hasBatch, !state.isCommitting {
                    state.isCommitting = true
                    return .commit
                }
                return state.isFinished ? .end : nil
            }
            if let step { return step }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isReady = state.withLock { state in
                        let isReady =
                            state.isFinished || (!isFull && state.taken < state.messages.count)
                            || (hasBatch && !state.isCommitting)
                        if !isReady { state.waiter = continuation }
                        return isReady
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                finish()
            }
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
