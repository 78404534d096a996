// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TestKit

/// Clients that log in again as soon as they are answered.
///
/// Whoever is refused for want of room waits as long as ``patience`` before the next attempt, less than the `Retry-After` that it is told.
final class LoginLoad: Sendable {
    static let patience: TimeInterval = 0.1

    /// What was answered while it was measured; milliseconds.
    struct Tally: Sendable {
        var logins: [Double] = []
        /// `503 too-many-logins`.
        var refusals: [Double] = []
        /// Everything else, and broken connections.
        var failures = 0
    }

    private struct State {
        var isMeasuring = false
        var logins = 0
        var tally = Tally()
    }

    private let state = Mutex(State())
    private let stopping = Atomic(false)
    private let running = DispatchGroup()

    /// Starts at once.
    init(port: Int, clients: Int, identities: [String]) {
        for client in 0..<clients {
            running.enter()
            let thread = Thread { [self] in
                let attempt = LoginAttempt(
                    identity: identities[client % identities.count], secret: LoginStage.secret,
                    address: "10.0.\(client).1")
                run(attempt, port)
                running.leave()
            }
            thread.stackSize = 512 << 10
            thread.start()
        }
    }

    private func run(_ attempt: LoginAttempt, _ port: Int) {
        let connection = BlockingHTTPConnection(port: port, timeoutSeconds: 60)
        while !stopping.load(ordering: .relaxed) {
            let outcome = try? attempt.send(on: connection)
            let isRefused = outcome?.answer.status == 503 && outcome?.answer.problem?.reason == "too-many-logins"
            state.withLock { state in
                if outcome?.answer.status == 201 { state.logins += 1 }
                guard state.isMeasuring else { return }
                if let outcome, outcome.answer.status == 201 {
                    state.tally.logins.append(outcome.milliseconds)
                } else if let outcome, isRefused {
                    state.tally.refusals.append(outcome.milliseconds)
                } else {
                    state.tally.failures += 1
                }
            }
            if outcome?.answer.status != 201 { Thread.sleep(forTimeInterval: Self.patience) }
        }
    }

    /// Logins so far.
    var logins: Int { state.withLock { $0.logins } }

    func startMeasuring() { state.withLock { $0.isMeasuring = true } }

    func stopMeasuring() -> Tally {
        state.withLock { state in
            state.isMeasuring = false
            return state.tally
        }
    }

    /// Lets every client end its request.
    func stop() async {
        stopping.store(true, ordering: .relaxed)
        await withCheckedContinuation { continuation in
            running.notify(queue: .global()) { continuation.resume() }
        }
    }
}
