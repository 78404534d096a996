// SPDX-License-Identifier: Apache-2.0
import Bus
import TestKit

@testable import BusService

/// What a test sets differently.
struct Adjustment {
    let apply: (inout BusConfiguration) -> Void

    init(_ apply: @escaping (inout BusConfiguration) -> Void) { self.apply = apply }
}

/// Runs a daemon in this process on a socket of its own, for the length of `body`.
func withBus<Result>(
    _ adjustment: Adjustment = Adjustment { _ in }, isolation: isolated (any Actor)? = #isolation,
    _ body: (_ socket: String, _ daemon: BusDaemon) async throws -> Result
) async throws -> Result {
    let directory = try TemporaryDirectory("bus")
    var configuration = BusConfiguration(
        socketPath: directory.file("bus.sock"), dataDirectory: directory.file("data"))
    configuration.allowsTestRole = true
    configuration.messagesMaximumBytes = 16 << 20
    configuration.eventsMaximumBytes = 8 << 20
    configuration.deadLettersMaximumBytes = 8 << 20
    configuration.segmentBytes = 1 << 20
    configuration.tailCacheBytes = 4 << 20
    adjustment.apply(&configuration)
    let daemon = BusDaemon(configuration)
    try await daemon.start()
    do {
        let result = try await body(configuration.socketPath, daemon)
        await daemon.stop()
        return result
    } catch {
        await daemon.stop()
        throw error
    }
}

/// A consumer with small limits.
func consumer(
    _ name: String = "reader", filter: String? = nil, messages: Int = 1000, waitMilliseconds: Int = 30_000,
    deliveries: Int = 0
) -> ConsumerConfiguration {
    ConsumerConfiguration(
        name: name, filter: filter, maximumUnacknowledgedMessages: messages,
        acknowledgeWaitMilliseconds: waitMilliseconds, maximumDeliveries: deliveries)
}
