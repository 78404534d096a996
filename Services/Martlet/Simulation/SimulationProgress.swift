// SPDX-License-Identifier: Apache-2.0

/// Shows how far a simulation is, on a terminal only.
struct SimulationProgress: Sendable {
    let tally: SharedTally
    let total: Int?
    let terminal: Terminal

    /// Draws until `body` has ended.
    func during(_ body: () async throws -> Void) async throws {
        guard terminal.isInteractive else { return try await body() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await draw() }
            defer { group.cancelAll() }
            try await body()
        }
    }

    private func draw() async {
        var bar = ProgressBar(terminal: terminal)
        let began = ContinuousClock.now
        while !Task.isCancelled {
            let counts = tally.counts
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            let rate = seconds > 0 ? (Double(counts.finished) / seconds).rounded() : 0
            let refused = counts.refused > 0 ? ", \(NumberText.grouped(counts.refused)) refused" : ""
            bar.draw(
                total.map { Double(counts.finished) / Double(max(1, $0)) },
                "\(NumberText.grouped(counts.accepted)) accepted\(refused), \(NumberText.short(rate))/s")
            try? await Task.sleep(for: .milliseconds(100))
        }
        bar.clear()
    }
}
