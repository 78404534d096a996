// SPDX-License-Identifier: Apache-2.0

/// Where the store lies and how much it may take.
package struct StoreConfiguration: Sendable {
    /// The database file; its folder exists. SQLite keeps a log beside it (`-wal`).
    package var path: String
    /// Of the database file. A commit that would need more fails with ``SessionStoreError/full``, as on a full disk.
    package var maximumFileBytes: Int = 8 << 30
    /// Of what waits to be written. A commit beyond it is refused: the disk does not keep up, and memory must not pay for it.
    package var maximumWaitingBytes: Int = 64 << 20
    /// One transaction holds no more of the commits that wait: the first of them waits for the last one.
    package var groupCommits = 512
    /// Of envelopes in one transaction, which is what the log beside the file may grow by.
    package var groupBytes: Int = 4 << 20

    package init(path: String) { self.path = path }
}
