// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import Observability
import ServiceKit

/// Says so once when a remote that is not in the file any more has left its durable consumer behind, which keeps the stream from deleting anything.
struct ForgottenConsumers: Service, CustomStringConvertible {
    let bus: any Bus
    let remotes: [Remote]
    let logger: Logger

    var description: String { "forgotten consumers" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await look()
            // A service that ends, ends the process.
            try? await gracefulShutdown()
        }
    }

    private func look() async {
        var backOff = BackOff()
        while !Task.isCancelled {
            do throws(BusError) {
                let known = Set(remotes.map(\.consumerName))
                let consumers = try await bus.streamState(Streams.messages).consumers
                for name in consumers where name.hasPrefix("mqtt-bridge-") && !known.contains(name) {
                    logger.error(
                        "a durable consumer of a remote that is not configured holds the stream back",
                        metadata: [LogKey.consumer: "\(name)", LogKey.stream: "\(Streams.messages)"])
                }
                return
            } catch {
                try? await Task.sleep(for: backOff.next())
            }
        }
    }
}
