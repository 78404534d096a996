// SPDX-License-Identifier: Apache-2.0

/// When an identity is closed to logins, for whom, and for how long (NIST SP 800-63B section 5.2.2: growing waits, and addresses that
/// have logged in before are let in).
///
/// The waits of a place grow up to an hour, so that guessing becomes hopeless. Failures of all unfamiliar places together only slow
/// them down, and never touch a familiar one: nobody can keep out the person whose password it is.
struct LockOutPolicy: Sendable, Equatable {
    /// Failures in a row before the first wait.
    var failures: Int
    /// The first wait; each further failure doubles it.
    var firstWaitSeconds: Int64

    static let longestWaitSeconds: Int64 = 3_600
    /// So many times the failures of one place, from unfamiliar places together, before these have to wait for each other.
    static let ceilingFactor: Int64 = 5
    /// Between two failures of all unfamiliar places together, once the ceiling is reached.
    static let longestPauseSeconds: Int64 = 60
    /// Failures are forgotten when there was none for so long.
    static let memoryNanoseconds: Int64 = 86_400 * 1_000_000_000
    /// Places of identities whose failures are remembered, 150 bytes each: beyond it the oldest are forgotten.
    static let maximumEntries: Int64 = 100_000

    /// - Returns: nil while there is nothing to wait for.
    func waitSeconds(afterFailures count: Int64) -> Int64? {
        guard count >= failures else { return nil }
        // Twelve doublings of a second pass the longest wait.
        return min(Self.longestWaitSeconds, firstWaitSeconds << min(count - Int64(failures), 12))
    }

    /// What all unfamiliar places wait, after so many failures of them together.
    /// - Returns: nil while there is nothing to wait for.
    func pauseSeconds(afterFailures count: Int64) -> Int64? {
        let ceiling = Int64(failures) * Self.ceilingFactor
        guard count >= ceiling else { return nil }
        // Six doublings of a second pass the longest pause.
        return min(Self.longestPauseSeconds, firstWaitSeconds << min(count - ceiling, 6))
    }
}
