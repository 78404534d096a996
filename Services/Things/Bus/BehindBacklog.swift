// SPDX-License-Identifier: Apache-2.0
import Bus
import Logging
import Messaging
import Observability
import ServiceKit

/// A service that begins once the events of `users` that were there at the start are followed: who left, or which domain was disabled, while this process
/// was away counts with the first answer.
///
/// It waits for ``limit`` at most: with the bus or the database away, or an event that fails, old answers are better than none.
struct BehindBacklog: Service, CustomStringConvertible {
    static let limit: Duration = .seconds(10)
    private static let interval: Duration = .milliseconds(20)

    private let service: any Service
    private let bus: any Bus
    private let logger: Logger

    init(_ service: any Service, bus: any Bus, logger: Logger) {
        self.service = service
        self.bus = bus
        self.logger = logger
    }

    var description: String { "\(service)" }

    func run() async throws {
        await cancelWhenGracefulShutdown { await wait() }
        try await service.run()
    }

    private func wait() async {
        let begin = ContinuousClock.now
        // The stream's end as it was first seen; nil while the bus cannot be asked, or nobody has read through the consumer yet.
        var end: UInt64?
        while !Task.isCancelled {
            if let state = try? await bus.consumerState(stream: Streams.events, consumer: Streams.thingsConsumer) {
                let last = end ?? state.acknowledgedThrough &+ state.pending
                guard state.acknowledgedThrough < last else { return }
                end = last
            }
            guard ContinuousClock.now - begin < Self.limit else {
                return logger.warning(
                    "beginning before the events of users are followed", metadata: [LogKey.service: "\(service)"])
            }
            try? await Task.sleep(for: Self.interval)
        }
    }
}
