// SPDX-License-Identifier: Apache-2.0
import DequeModule

/// What was handed to the store and waits for its queue, in order.
struct StoreInbox {
    struct Commit: Sendable {
        /// nil: refused, because too much waits. Its turn to be told so comes like any other's.
        var changes: [StoreChange]?
        let bytes: Int
        let completion: @Sendable (Result<Void, SessionStoreError>) -> Void
    }

    enum Job: Sendable {
        /// At least one, and no more than fit into a transaction.
        case write([Commit])
        case other(@Sendable (StoreDatabase) -> Void)
    }

    private enum Letter: Sendable {
        case commit(Commit)
        case other(@Sendable (StoreDatabase) -> Void)
    }

    private var letters: Deque<Letter> = []
    private(set) var commits = 0
    private(set) var bytes = 0
    /// Whether the queue will look in here.
    private var isAttended = false

    /// - Returns: whether the queue must be called.
    mutating func add(_ commit: Commit, maximumBytes: Int) -> Bool {
        var commit = commit
        if bytes + commit.bytes > maximumBytes, bytes > 0 { commit.changes = nil }
        commits += 1
        if commit.changes != nil { bytes += commit.bytes }
        return add(.commit(commit))
    }

    /// - Returns: whether the queue must be called.
    mutating func add(_ job: @escaping @Sendable (StoreDatabase) -> Void) -> Bool { add(.other(job)) }

    private mutating func add(_ letter: Letter) -> Bool {
        letters.append(letter)
        defer { isAttended = true }
        return !isAttended
    }

    /// nil: nothing waits, and whoever adds something must call the queue.
    mutating func next(maximumCommits: Int, maximumBytes: Int) -> Job? {
        var group: [Commit] = []
        var groupBytes = 0
        while group.count < maximumCommits, groupBytes < maximumBytes, case .commit(let commit)? = letters.first {
            letters.removeFirst()
            group.append(commit)
            groupBytes += commit.bytes
            if commit.changes != nil { bytes -= commit.bytes }
        }
        commits -= group.count
        if !group.isEmpty { return .write(group) }
        guard case .other(let job)? = letters.popFirst() else {
            isAttended = false
            return nil
        }
        return .other(job)
    }

    var isEmpty: Bool { letters.isEmpty }
}
