// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import NIOCore
import Observability

/// What must outlive the process, on its way to the store: gathered, and committed once for each round of the event loop that waits for it.
extension Broker {
    /// How long changes for which nobody waits may be gathered.
    private static let gathering: TimeAmount = .milliseconds(20)
    /// Before a commit that failed is tried again.
    private static let retry: TimeAmount = .seconds(1)

    func save(_ change: StoreChange) {
        if case .entry = change { hasEntriesBeyondPosition = true }
        changes.append(change)
        schedule(in: Self.gathering)
    }

    /// Calls `action` on this event loop when everything saved so far is on disk.
    func whenSaved(_ action: @escaping () -> Void) {
        afterCommit.append(action)
        guard !isCommitting else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.commit() }
    }

    /// Changes that may wait for the store before those who make them do.
    static let maximumChanges = 16_384

    /// Whether the store keeps up; if not, the connection's packet is taken again when it does.
    func keepsUp(for connection: Connection) -> Bool {
        guard changes.count >= Self.maximumChanges else { return true }
        whenSaved { [weak connection] in connection?.resume() }
        return false
    }

    /// As ``whenSaved(_:)`` for a session that is kept; at once for another.
    func whenKept(_ session: Session, _ action: @escaping () -> Void) {
        if session.isPersistent { whenSaved(action) } else { action() }
    }

    private func schedule(in delay: TimeAmount) {
        guard !isCommitScheduled, !isCommitting else { return }
        isCommitScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: delay) {
            bound.value.isCommitScheduled = false
            bound.value.commit()
        }
    }

    /// One commit at a time: what comes meanwhile goes with the next.
    func commit() {
        guard !isCommitting, !changes.isEmpty || !afterCommit.isEmpty else { return }
        // In one commit with what was followed for it: after a crash nothing is followed twice, and so queued twice.
        if hasEntriesBeyondPosition { savePosition() }
        let changes = changes
        let actions = afterCommit
        self.changes = []
        afterCommit = []
        guard !changes.isEmpty else {
            for action in actions { action() }
            return flushSoon()
        }
        isCommitting = true
        let bound = NIOLoopBound((self, changes, actions), eventLoop: eventLoop)
        let eventLoop = eventLoop
        store.commit(changes) { result in
            eventLoop.execute {
                let (broker, changes, actions) = bound.value
                broker.committed(result, changes, actions)
            }
        }
    }

    private func committed(
        _ result: Result<Void, SessionStoreError>, _ changes: [StoreChange], _ actions: [() -> Void]
    ) {
        isCommitting = false
        if case .failure = result { isStoreFailing = true } else { isStoreFailing = false }
        switch result {
        case .success:
            for action in actions { action() }
        case .failure(let error):
            // Nothing of it was kept, and who waits for it goes on waiting.
            logger.error("sessions cannot be stored", metadata: ["error": "\(error)"])
            metrics.storeFailures.increment()
            self.changes = changes + self.changes
            afterCommit = actions + afterCommit
            isCommitScheduled = false
            if !isDraining { schedule(in: Self.retry) }
        }
        if !afterCommit.isEmpty, case .success = result {
            commit()
        } else if !self.changes.isEmpty {
            schedule(in: Self.gathering)
        }
        flushSoon()
        if case .failure = result, isDraining { self.changes = [] }
        if isDraining, !self.changes.isEmpty { commit() }
        finishDrainingIfDone()
    }

    /// Brings back what waits for a session behind what it has in memory.
    func load(
        _ session: Session, _ completion: @escaping (Result<[StoredEntry], SessionStoreError>) -> Void
    ) {
        // The store sees what was committed only.
        whenSaved { [weak self, weak session] in
            guard let self, let session else { return }
            let bound = NIOLoopBound(completion, eventLoop: self.eventLoop)
            let eventLoop = self.eventLoop
            self.store.entries(
                of: session.number, after: session.loadedOrder, maximumBytes: self.limits.queueMemoryBytes / 2
            ) { result in
                eventLoop.execute { bound.value(result) }
            }
        }
    }
}
