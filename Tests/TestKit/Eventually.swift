// SPDX-License-Identifier: Apache-2.0

/// What was waited for did not happen.
public struct DeadlineExceeded: Error, CustomStringConvertible {
    public let description: String

    public init(_ what: String, after duration: Duration) {
        description = "\(what): not within \(duration)"
    }
}

/// Waits until `condition` holds: asks again every `interval`, and throws ``DeadlineExceeded`` once `deadline` is over.
///
/// Deadlines are generous on purpose: they end a test that hangs, they measure nothing. An error that `condition` throws ends the
/// waiting; where failing for a while is part of the story, use `try?` inside.
///
///     try await eventually("the message is stored") { try await store.count() == 1 }
public func eventually(
    _ what: String = "the condition holds", deadline: Duration = .seconds(60), interval: Duration = .milliseconds(20),
    isolation: isolated (any Actor)? = #isolation, _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + deadline
    while true {
        if try await condition() { return }
        guard ContinuousClock.now < end else { throw DeadlineExceeded(what, after: deadline) }
        try await Task.sleep(for: interval)
    }
}

/// Runs `body` and throws ``DeadlineExceeded`` if it has not returned within the deadline; `body` is cancelled then.
public func within<Result: Sendable>(
    _ deadline: Duration = .seconds(60), _ what: String = "the operation returns",
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: deadline)
            throw DeadlineExceeded(what, after: deadline)
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw DeadlineExceeded(what, after: deadline) }
        return first
    }
}
