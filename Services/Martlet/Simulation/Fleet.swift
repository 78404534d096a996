// SPDX-License-Identifier: Apache-2.0

/// The devices of a simulation, and the channel that they send to.
struct Fleet: Sendable {
    struct Device: Sendable {
        /// nil where only a key was given.
        var thing: String?
        var key: String
    }

    var devices: [Device]
    var channel: String
    /// Made for this simulation, and taken away behind it.
    var createdThings: [String] = []
    var createdChannel = false

    /// Sends what a source gives, at most so many messages under way at once.
    ///
    /// - Parameter tally: counts while it goes on.
    /// - Throws: `CancellationError`, after every message that was under way has ended; what the source throws.
    func send(
        _ source: some SimulationSource, subtopic: String?, inFlight: Int, retries: Int, _ sender: Sender,
        _ tally: SharedTally
    ) async throws {
        var source = source
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            while let message = try source.next() {
                if let due = message.due {
                    try await Task.sleep(until: start + due, tolerance: .zero, clock: .continuous)
                }
                if running >= inFlight {
                    try await group.next()
                    running -= 1
                }
                try Task.checkCancellation()
                if let due = message.due { tally.lag(ContinuousClock.now - (start + due)) }
                guard devices.indices.contains(message.device) else { continue }
                group.addTask { await send(message, subtopic, retries: retries, sender, tally) }
                running += 1
            }
            try await group.waitForAll()
        }
    }

    /// - Parameter message: of one of the devices.
    private func send(
        _ message: SimulatedMessage, _ subtopic: String?, retries: Int, _ sender: Sender, _ tally: SharedTally
    ) async {
        let began = ContinuousClock.now
        do {
            let receipt = try await sender.send(
                message, of: devices[message.device], to: channel, subtopic, retries: retries)
            tally.accepted(message, receipt, after: ContinuousClock.now - began)
        } catch let failure as CommandFailure {
            tally.refused(failure.reason ?? failure.httpStatus.map { "status-\($0)" } ?? "unreachable")
        } catch {
            tally.cutOff()
        }
    }
}
