// SPDX-License-Identifier: Apache-2.0
import Bus
import Synchronization

/// Workers that each publish durably, wait for the answer and go on, and what was acknowledged to them.
final class DurableLoad: Sendable {
    private struct State {
        var accepted: [String: UInt64] = [:]
        var failures = 0
        var isStopping = false
    }

    private let bus: any Bus
    private let subject: String
    private let state = Mutex(State())

    init(_ bus: any Bus, subject: String) {
        self.bus = bus
        self.subject = subject
    }

    /// Sequence numbers by payload.
    var accepted: [String: UInt64] { state.withLock { $0.accepted } }
    var acceptedCount: Int { state.withLock { $0.accepted.count } }
    var failures: Int { state.withLock { $0.failures } }

    func stop() { state.withLock { $0.isStopping = true } }

    /// Returns once stopped.
    func run(workers: Int) async {
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<workers { group.addTask { await self.work(worker) } }
        }
    }

    private func work(_ worker: Int) async {
        var number = 0
        while !state.withLock({ $0.isStopping }) {
            number += 1
            // Nobody else publishes this text, so a second copy of it in the stream could only be a fault.
            let text = "\(worker)-\(number)"
            do {
                let receipt = try await bus.publishDurably(BusMessage(subject, text))
                state.withLock { $0.accepted[text] = receipt.sequence }
            } catch {
                state.withLock { $0.failures += 1 }
                try? await Task.sleep(for: .milliseconds(5))
            }
        }
    }
}
