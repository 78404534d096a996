// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TestKit

/// The same request again and again, every few milliseconds over one connection, with what was answered when.
final class AccessProbe: Sendable {
    struct Attempt {
        let sentAt: ContinuousClock.Instant
        /// 0: the connection broke.
        let status: Int
    }

    private let attempts = Mutex<[Attempt]>([])
    private let stopping = Atomic(false)

    /// Starts at once; ends with ``stop()`` or, at the latest, after five minutes.
    init(port: Int, _ method: String, _ path: String, headers: [(String, String)], body: String = "") {
        let thread = Thread { [self] in
            let connection = BlockingHTTPConnection(port: port)
            let end = ContinuousClock.now + .seconds(300)
            while !stopping.load(ordering: .relaxed), ContinuousClock.now < end {
                let sentAt = ContinuousClock.now
                let answer = try? connection.send(method, path, headers: headers, body: Array(body.utf8))
                attempts.withLock { $0.append(Attempt(sentAt: sentAt, status: answer?.status ?? 0)) }
                Thread.sleep(forTimeInterval: 0.003)
            }
        }
        thread.stackSize = 512 << 10
        thread.start()
    }

    func stop() { stopping.store(true, ordering: .relaxed) }

    /// The statuses of what was sent since then.
    func statuses(since instant: ContinuousClock.Instant) -> [Int] {
        attempts.withLock { $0.reversed().prefix { $0.sentAt >= instant }.map(\.status) }
    }

    /// Waits until the last attempts were all answered like this.
    func waitFor(_ status: Int) async throws {
        try await eventually("the answer is \(status)") {
            attempts.withLock { $0.count >= 5 && $0.suffix(5).allSatisfy { $0.status == status } }
        }
    }
}
