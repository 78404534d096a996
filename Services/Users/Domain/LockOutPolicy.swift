// SPDX-License-Identifier: Apache-2.0

/// When an identity is closed to logins, and for how long: the waits grow, so that guessing becomes hopeless while somebody who forgot a
/// password, or was locked out by another's guesses, waits an hour at most.
struct LockOutPolicy: Sendable, Equatable {
    /// Failures in a row before the first wait.
    var failures: Int
    /// The first wait; each further failure doubles it.
    var firstWaitSeconds: Int64

    static let longestWaitSeconds: Int64 = 3_600
    /// Failures are forgotten when there was none for so long.
    static let memoryNanoseconds: Int64 = 86_400 * 1_000_000_000
    /// Identities whose failures are remembered, 100 bytes each: beyond it the oldest are forgotten.
    static let maximumEntries: Int64 = 100_000

    /// - Returns: nil while there is nothing to wait for.
    func waitSeconds(afterFailures count: Int64) -> Int64? {
        guard count >= failures else { return nil }
        // Twelve doublings of a second pass the longest wait.
        return min(Self.longestWaitSeconds, firstWaitSeconds << min(count - Int64(failures), 12))
    }
}
