// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Postgres
import TestKit

/// Publishes one message after the other over HTTP and looks for each until it is there.
struct LatencyProbe: Sendable {
    enum Place: CaseIterable {
        /// A second connection to PostgreSQL asks for the row.
        case database
        /// `reader-postgres` is asked for the channel's newest message.
        case reader
    }

    /// All in milliseconds.
    struct Outcome: Sendable {
        /// From before the request is sent to its 202.
        var accepted: [Double] = []
        /// From before the request is sent until the message was first seen.
        var visible: [Double] = []
        /// Between two questions: seen may be later than visible by so much.
        var resolution: [Double] = []
    }

    let adapterPort: Int
    let readerPort: Int
    let device: Stack.Device
    let channel: ChannelID
    let database: PostgresPool

    init(_ stack: Stack, _ device: Stack.Device) throws {
        guard let channel = ChannelID(device.channel) else {
            throw BenchmarkFailure(description: "'\(device.channel)' is no channel")
        }
        adapterPort = stack.ports["http-adapter"] ?? 0
        readerPort = stack.ports["reader-postgres"] ?? 0
        self.device = device
        self.channel = channel
        database = stack.database
    }

    /// Runs on the thread of a database connection, where everything may block.
    func run(_ place: Place, seconds: Double, firstValue: Int) async throws -> Outcome {
        let outcome = try await database.perform { session throws(PostgresError) -> Result<Outcome, BenchmarkFailure> in
            let publisher = BlockingHTTPConnection(port: adapterPort)
            let reader = BlockingHTTPConnection(port: readerPort)
            var outcome = Outcome()
            var value = firstValue
            let end = ContinuousClock.now + .seconds(seconds)
            while ContinuousClock.now < end {
                let start = ContinuousClock.now
                guard publish(value, publisher) else {
                    return .failure(BenchmarkFailure(description: "a message was not accepted"))
                }
                outcome.accepted.append(Self.milliseconds(start, .now))
                var asked = start
                var isVisible = false
                while !isVisible {
                    let now = ContinuousClock.now
                    guard start.duration(to: now) < .seconds(30) else {
                        return .failure(BenchmarkFailure(description: "a message was not to be seen for 30 s"))
                    }
                    if asked > start { outcome.resolution.append(Self.milliseconds(asked, now)) }
                    asked = now
                    switch place {
                    case .database: isVisible = try session.has(value, channel)
                    case .reader: isVisible = read(value, reader)
                    }
                    // Not one question after the other: that alone would keep a core busy.
                    if !isVisible { usleep(place == .database ? 200 : 500) }
                }
                outcome.visible.append(Self.milliseconds(start, .now))
                value += 1
                // Not in step with anything.
                usleep(UInt32.random(in: 2_000...12_000))
            }
            return .success(outcome)
        }
        return try outcome.get()
    }

    private func publish(_ value: Int, _ connection: BlockingHTTPConnection) -> Bool {
        let headers = [("Authorization", "Thing \(device.key)"), ("Content-Type", "application/senml+json")]
        let body = Array(#"[{"n":"probe","v":\#(value)}]"#.utf8)
        return (try? connection.send("POST", device.publishPath, headers: headers, body: body))?.status == 202
    }

    private func read(_ value: Int, _ connection: BlockingHTTPConnection) -> Bool {
        let headers = [("Authorization", "Thing \(device.key)")]
        guard let answer = try? connection.send("GET", "\(device.publishPath)?limit=1", headers: headers),
            let page = try? answer.json(Page.self)
        else { return false }
        return page.messages.contains { $0.value == Double(value) }
    }

    private struct Page: Decodable {
        struct Message: Decodable { let value: Double? }
        let messages: [Message]
    }

    private static func milliseconds(_ start: ContinuousClock.Instant, _ end: ContinuousClock.Instant) -> Double {
        start.duration(to: end) / .milliseconds(1)
    }
}

extension PostgresSession {
    /// Whether the channel's newest row has this value.
    fileprivate func has(_ value: Int, _ channel: ChannelID) throws(PostgresError) -> Bool {
        let result = try execute(
            """
            SELECT value FROM messages.senml WHERE channel = \(channel) AND time > \(WallClock.system.now() - 60_000_000_000)
            ORDER BY time DESC, sequence DESC LIMIT 1
            """)
        guard let row = result.first else { return false }
        return try row.decode(Double.self, at: 0) == Double(value)
    }
}
