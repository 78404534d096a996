// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TestKit

/// An open-loop load over HTTP: so many messages a second, whether or not the answers keep up.
final class PacedLoad: Sendable {
    private let stopping = Atomic(false)
    private let accepted = Atomic(0)
    private let refused = Atomic(0)
    private let running = DispatchGroup()
    private let began = ContinuousClock.now

    /// Starts at once. Each worker has a connection and an equal share of the rate; their turns are spread over the interval.
    init(port: Int, device: Stack.Device, messagesPerSecond: Int, workers: Int = 8) {
        let interval = Duration.seconds(1) * workers / messagesPerSecond
        for worker in 0..<workers {
            running.enter()
            let thread = Thread { [self] in
                run(port, device, first: began + interval * worker / workers, interval)
                running.leave()
            }
            thread.stackSize = 512 << 10
            thread.start()
        }
    }

    private func run(
        _ port: Int, _ device: Stack.Device, first: ContinuousClock.Instant, _ interval: Duration
    ) {
        let connection = BlockingHTTPConnection(port: port)
        let headers = [("Authorization", "Thing \(device.key)"), ("Content-Type", "application/senml+json")]
        let body = Array(WrkLoad.body.utf8)
        var turn = first
        while !stopping.load(ordering: .relaxed) {
            let pause = ContinuousClock.now.duration(to: turn)
            // Behind its time it sends at once, so that what is held up is made up for.
            if pause > .zero { usleep(UInt32(clamping: Int(pause / .microseconds(1)))) }
            turn += interval
            let response = try? connection.send("POST", device.publishPath, headers: headers, body: body)
            if response?.status == 202 {
                accepted.add(1, ordering: .relaxed)
            } else {
                refused.add(1, ordering: .relaxed)
            }
        }
    }

    struct Outcome {
        var messagesPerSecond: Double
        var refused: Int
    }

    func stop() async -> Outcome {
        let seconds = began.duration(to: .now) / .seconds(1)
        let count = accepted.load(ordering: .relaxed)
        stopping.store(true, ordering: .relaxed)
        await withCheckedContinuation { continuation in
            running.notify(queue: .global()) { continuation.resume() }
        }
        return Outcome(messagesPerSecond: Double(count) / seconds, refused: refused.load(ordering: .relaxed))
    }
}
