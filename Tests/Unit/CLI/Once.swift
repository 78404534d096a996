// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// True the first time.
final class Once: Sendable {
    private let isTaken = Mutex(false)

    func take() -> Bool {
        isTaken.withLock { taken in
            defer { taken = true }
            return !taken
        }
    }
}

extension Result where Failure == any Error {
    /// What an asynchronous body returns or throws, so that something can be tidied up before it is looked at.
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
