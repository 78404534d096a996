// SPDX-License-Identifier: Apache-2.0

/// Reads back what a simulation sent, through the same API as everybody, and compares counts and sums.
struct Verification: Sendable {
    /// Waiting ends when nothing more has come for so long.
    static let patience: Duration = .seconds(60)

    let reader: MessageReader
    /// Whose messages count; nil: everybody's.
    let publishers: [String?]

    init(_ fleet: Fleet, _ context: CommandContext) async throws {
        let channel = try await context.channel(fleet.channel)
        reader = MessageReader(context, channelIdentifier: channel)
        // On a channel of its own nobody else's messages are there.
        publishers =
            fleet.createdChannel || fleet.devices.contains { $0.thing == nil } ? [nil] : fleet.devices.map(\.thing)
    }

    /// All that is there.
    func totals() async throws -> NamedTotals {
        var totals = NamedTotals()
        for publisher in publishers {
            for try await page in reader.pages(Self.query(publisher) + [("dir", "asc")], limit: .max) {
                for message in page {
                    guard let name = message["name"]?.text, let value = message["value"]?.double else { continue }
                    totals.add(name, value)
                }
            }
        }
        return totals
    }

    /// Waits until as many are there, or no more come.
    /// - Parameter progress: told how many there are.
    func wait(for count: Int, _ progress: (Int) -> Void) async throws {
        var best = -1
        var lastChange = ContinuousClock.now
        while true {
            var stored = 0
            for publisher in publishers {
                let page = try await reader.page(Self.query(publisher) + [("limit", "1")])
                stored += page["total"]?.integer ?? 0
                // Where counting ends early, reading tells.
                if page["total_is_exact"]?.flag == false { return }
            }
            progress(stored)
            if stored >= count { return }
            if stored > best { (best, lastChange) = (stored, .now) }
            guard ContinuousClock.now - lastChange < Self.patience else { return }
            try await Task.sleep(for: .milliseconds(250))
        }
    }

    private static func query(_ publisher: String?) -> [(name: String, value: String)] {
        publisher.map { [("publisher", $0)] } ?? []
    }
}
