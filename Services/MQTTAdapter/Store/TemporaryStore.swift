// SPDX-License-Identifier: Apache-2.0
import Logging

final class SQLiteSessionStore: SessionStore {
    init(path: String, logger: Logger) throws {}
    func load() async throws(SessionStoreError) -> StoredState { StoredState() }
    func commit(_ changes: [StoreChange], completion: @escaping @Sendable (Result<Void, SessionStoreError>) -> Void) {
        completion(.success(()))
    }
    func entries(
        of session: SessionNumber, after order: UInt64, maximumBytes: Int,
        completion: @escaping @Sendable (Result<[StoredEntry], SessionStoreError>) -> Void
    ) { completion(.success([])) }
    func close() async {}
}
