// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TestKit

/// Somebody who is logged in and asks for the own profile, fifty times a second on one connection: what logins cost everybody else.
final class ProfileProbe: Sendable {
    private static let interval: Duration = .milliseconds(20)

    /// Milliseconds from before a request is sent until its answer is read.
    private let times = Mutex<[Double]>([])
    private let failures = Atomic(0)
    private let stopping = Atomic(false)
    private let running = DispatchGroup()

    /// Starts at once.
    init(port: Int, token: String) {
        running.enter()
        let thread = Thread { [self] in
            run(BlockingHTTPConnection(port: port, timeoutSeconds: 60), [("Authorization", "Bearer \(token)")])
            running.leave()
        }
        thread.stackSize = 512 << 10
        thread.start()
    }

    private func run(_ connection: BlockingHTTPConnection, _ headers: [(String, String)]) {
        var due = ContinuousClock.now
        while !stopping.load(ordering: .relaxed) {
            let pause = ContinuousClock.now.duration(to: due)
            if pause > .zero { usleep(UInt32(clamping: Int(pause / .microseconds(1)))) }
            due += Self.interval
            let sent = ContinuousClock.now
            if (try? connection.send("GET", "/users/profile", headers: headers))?.status == 200 {
                let milliseconds = sent.duration(to: .now) / .milliseconds(1)
                times.withLock { $0.append(milliseconds) }
            } else {
                failures.add(1, ordering: .relaxed)
            }
        }
    }

    func stop() async throws -> [Double] {
        stopping.store(true, ordering: .relaxed)
        await withCheckedContinuation { continuation in
            running.notify(queue: .global()) { continuation.resume() }
        }
        let failed = failures.load(ordering: .relaxed)
        guard failed == 0 else { throw BenchmarkFailure(description: "\(failed) requests for the profile failed") }
        return times.withLock { $0 }
    }
}
