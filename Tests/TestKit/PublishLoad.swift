// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// A closed-loop load of SenML messages over HTTP that remembers what was accepted.
///
/// Each worker sends one record with a value that nobody else sends, waits for the answer, and goes on. After a refusal or a broken
/// connection the value is given up (whether it was stored is unknown) and the next one is tried after a short pause.
public final class PublishLoad: Sendable {
    public struct Outcome: Sendable {
        /// Values that were answered with 202.
        public var accepted: Set<Int> = []
        /// Answers by status; 0 stands for a broken connection.
        public var statuses: [Int: Int] = [:]
        /// Values that were refused, by the reason that the problem document names.
        public var refused: [String: Set<Int>] = [:]
        /// Of the refusals with 503, how many said when to come again.
        public var unavailableWithRetryAfter = 0
    }

    private let outcome = Mutex(Outcome())
    private let stopping = Atomic(false)
    private let running = DispatchGroup()

    /// Starts at once.
    ///
    /// - Parameters:
    ///   - limit: messages per worker at the most, so that the load ends by itself.
    ///   - paddingBytes: makes every message larger by a second record with a text of that length.
    public init(port: Int, path: String, key: String, workers: Int, limit: Int = 100_000, paddingBytes: Int = 0) {
        let padding =
            paddingBytes > 0 ? #",{"n":"padding","vs":"\#(String(repeating: "x", count: paddingBytes))"}"# : ""
        for worker in 0..<workers {
            running.enter()
            let thread = Thread { [self] in
                run(worker: worker, port: port, path: path, key: key, limit: limit, padding: padding)
                running.leave()
            }
            thread.stackSize = 512 << 10
            thread.start()
        }
    }

    private func run(worker: Int, port: Int, path: String, key: String, limit: Int, padding: String) {
        let connection = BlockingHTTPConnection(port: port)
        let headers = [("Authorization", "Thing \(key)"), ("Content-Type", "application/senml+json")]
        for count in 0..<limit where !stopping.load(ordering: .relaxed) {
            let value = worker * 10_000_000 + count
            let body = Array(#"[{"n":"count","v":\#(value)}\#(padding)]"#.utf8)
            let response = try? connection.send("POST", path, headers: headers, body: body)
            outcome.withLock {
                $0.statuses[response?.status ?? 0, default: 0] += 1
                if response?.status == 202 { $0.accepted.insert(value) }
                if let reason = response?.problem?.reason { $0.refused[reason, default: []].insert(value) }
                if response?.status == 503, response?.headers["retry-after"] != nil {
                    $0.unavailableWithRetryAfter += 1
                }
            }
            if response?.status != 202 { Thread.sleep(forTimeInterval: 0.02) }
        }
    }

    /// How many have been accepted so far.
    public var acceptedCount: Int { outcome.withLock { $0.accepted.count } }

    /// The values that have been accepted so far.
    public var accepted: Set<Int> { outcome.withLock { $0.accepted } }

    /// The answers so far.
    public var statuses: [Int: Int] { outcome.withLock { $0.statuses } }

    /// The reasons of the refusals so far.
    public var reasons: Set<String> { outcome.withLock { Set($0.refused.keys) } }

    /// Lets every worker end its request, and tells what became of them.
    public func stop() async -> Outcome {
        stopping.store(true, ordering: .relaxed)
        await withCheckedContinuation { continuation in
            running.notify(queue: .global()) { continuation.resume() }
        }
        return outcome.withLock { $0 }
    }
}
