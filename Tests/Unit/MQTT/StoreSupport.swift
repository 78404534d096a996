// SPDX-License-Identifier: Apache-2.0
import Core
import Dispatch
import Logging
import MQTTAdapter
import Messaging
import NIOCore
import Synchronization
import TestKit

/// A store in a folder of its own.
struct StoreFixture {
    let directory: TemporaryDirectory
    let store: SQLiteSessionStore

    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init(_ change: (inout StoreConfiguration) -> Void = { _ in }) async throws {
        directory = try TemporaryDirectory("store")
        var configuration = StoreConfiguration(path: directory.file("sessions.db"))
        change(&configuration)
        store = try await SQLiteSessionStore.open(configuration, logger: Self.logger)
        _ = try await store.load()
    }

    var path: String { directory.file("sessions.db") }

    /// Opens a copy of the files as they are now: what a process finds that comes after a killed one.
    func afterKill() async throws -> (SQLiteSessionStore, StoredState) {
        let copy = directory.file("copy-\(UInt64.random(in: 0 ... .max)).db")
        for suffix in ["", "-wal"] {
            // Not in this process: closing a file here would release SQLite's locks on it.
            let process = try ServiceProcess(
                program: Executables.system("cp"), arguments: [path + suffix, copy + suffix],
                log: directory.file("cp.log"))
            guard try await process.waitForExit() == .exited(0) else {
                throw ServiceProcess.Ended(description: process.log)
            }
        }
        let store = try await Self.open(copy)
        return (store, try await store.load())
    }

    static func open(_ path: String) async throws -> SQLiteSessionStore {
        try await SQLiteSessionStore.open(StoreConfiguration(path: path), logger: logger)
    }
}

extension SQLiteSessionStore {
    func commit(_ changes: StoreChange...) async throws {
        try await withCheckedContinuation { continuation in
            commit(changes) { continuation.resume(returning: $0) }
        }.get()
    }

    func entries(
        of session: SessionNumber, after order: UInt64 = 0, maximumBytes: Int = .max
    ) async throws -> [StoredEntry] {
        try await withCheckedContinuation { continuation in
            entries(of: session, after: order, maximumBytes: maximumBytes) { continuation.resume(returning: $0) }
        }.get()
    }

    /// Hands all over while the store is held up, so that they wait together.
    ///
    /// - Returns: the results in the order in which they came, each with its commit's index.
    func commitAll(_ commits: [[StoreChange]]) async -> [StoreResult] {
        let results = StoreResults()
        let isHandedOver = DispatchSemaphore(value: 0)
        entries(of: SessionNumber(rawValue: 1), after: 0, maximumBytes: 0) { _ in isHandedOver.wait() }
        return await withCheckedContinuation { continuation in
            for (index, changes) in commits.enumerated() {
                commit(changes) { result in
                    let all = results.value.withLock { all in
                        all.append(StoreResult(index: index, result: result))
                        return all.count == commits.count ? all : nil
                    }
                    if let all { continuation.resume(returning: all) }
                }
            }
            isHandedOver.signal()
        }
    }
}

struct StoreResult: Sendable {
    let index: Int
    let result: Result<Void, SessionStoreError>

    var error: SessionStoreError? {
        switch result {
        case .success: nil
        case .failure(let error): error
        }
    }
}

private final class StoreResults: Sendable {
    let value = Mutex<[StoreResult]>([])
}

extension StoredSession {
    static func example(_ number: UInt64 = .random(in: 1 ... .max), will: StoredWill? = nil) -> StoredSession {
        StoredSession(
            number: SessionNumber(rawValue: number), thing: .new(), domain: .new(),
            clientIdentifier: "ünïcode-\(number)",
            version: .v5, expirySeconds: .max, closedAt: -1, will: will)
    }
}

extension StoredEntry {
    static func example(_ order: UInt64, sequence: UInt64? = nil, bytes: Int = 100) -> StoredEntry {
        let sequence = sequence ?? order
        return StoredEntry(
            order: order, sequence: sequence, qos: .atLeastOnce, retain: false, filter: "a/+",
            subscriptionIdentifiers: [1, 268_435_455],
            envelope: ByteBuffer(repeating: UInt8(truncatingIfNeeded: sequence), count: bytes))
    }
}
