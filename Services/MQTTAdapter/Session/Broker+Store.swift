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

    /// - Parameter bytes: what waits in memory with the change, beside it.
    func save(_ change: StoreChange, holding bytes: Int = 0) {
        switch change {
        case .entry: hasEntriesBeyondPosition = true
        // Only the newest counts, however long the store takes.
        case .position(let position):
            followed = position
            return schedule(in: Self.gathering)
        default: break
        }
        changes.append(change)
        changeBytes += change.bytes + bytes
        schedule(in: Self.gathering)
    }

    /// Calls `action` on this event loop when everything saved so far is on disk.
    func whenSaved(_ action: @escaping () -> Void) {
        afterCommit.append(action)
        // While it fails it is tried again now and then, not for everybody who comes.
        guard !isCommitting, !isStoreFailing else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.commit() }
    }

    /// Changes that may wait for the store before those who make them do, and bytes of memory of these and of what waits with them.
    private static let maximumChanges = 16_384
    private static let maximumChangeBytes = 16 << 20

    private var isBehind: Bool {
        changes.count >= Self.maximumChanges || changeBytes + committingBytes >= Self.maximumChangeBytes
    }

    /// Whether the store keeps up; if not, the connection's packet is taken again when it does.
    ///
    /// - Parameter isNeeded: whether the packet changes what is stored; others do not wait.
    func keepsUp(for connection: Connection, isNeeded: Bool = true) -> Bool {
        guard isNeeded, isBehind else { return true }
        whenSaved { [weak connection] in connection?.resume() }
        return false
    }

    /// As ``whenSaved(_:)`` for a session that is kept, if the connection is still there then; at once for another.
    func whenKept(_ session: Session, _ connection: Connection, _ action: @escaping (Connection) -> Void) {
        // A weak reference costs the connection memory for as long as it lives: only where there is something to wait for.
        guard session.isPersistent else { return action(connection) }
        whenSaved { [weak connection] in
            if let connection { action(connection) }
        }
    }

    /// Done when the store keeps up, so that more of the stream may be handed out.
    func keptUp() -> EventLoopFuture<Void> {
        guard isBehind, !isDraining else { return eventLoop.makeSucceededVoidFuture() }
        let promise = feedHeld ?? eventLoop.makePromise(of: Void.self)
        feedHeld = promise
        if !isCommitting, !isStoreFailing { commit() }
        return promise.futureResult
    }

    func releaseFeed() {
        feedHeld?.succeed(())
        feedHeld = nil
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
        guard !isCommitting, followed != nil || !changes.isEmpty || !afterCommit.isEmpty else { return }
        // In one commit with what was followed for it: after a crash nothing is followed twice, and so queued twice.
        if hasEntriesBeyondPosition { savePosition() }
        if let followed { changes.append(.position(followed)) }
        followed = nil
        let changes = changes
        let actions = afterCommit
        self.changes = []
        afterCommit = []
        committingBytes = changeBytes
        changeBytes = 0
        guard !changes.isEmpty else {
            for action in actions { action() }
            return flushSoon()
        }
        isCommitting = true
        committingSince = .now()
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
        switch result {
        case .success:
            isStoreFailing = false
            committingBytes = 0
            for action in actions { action() }
            if !isBehind { releaseFeed() }
        case .failure(let error):
            // Nothing of it was kept, and who waits for it goes on waiting.
            logger.error("sessions cannot be stored", metadata: ["error": "\(error)"])
            metrics.storeFailures.increment()
            for case .position(let position) in changes where followed == nil { followed = position }
            self.changes = changes.filter { if case .position = $0 { false } else { true } } + self.changes
            afterCommit = actions + afterCommit
            changeBytes += committingBytes
            committingBytes = 0
            isCommitScheduled = false
            if !isDraining { schedule(in: Self.retry) }
            storeFails()
        }
        if !afterCommit.isEmpty, case .success = result {
            commit()
        } else if followed != nil || !self.changes.isEmpty {
            schedule(in: Self.gathering)
        }
        flushSoon()
        if case .failure = result, isDraining {
            self.changes = []
            followed = nil
        }
        if isDraining, followed != nil || !self.changes.isEmpty { commit() }
        finishDrainingIfDone()
    }

    /// Whoever waits for the store to let it in is told to come back: a client that hears nothing would only go on waiting.
    private func storeFails() {
        isStoreFailing = true
        let waiting = opening
        opening = [:]
        for (connection, isPresent) in waiting.values {
            guard connection.phase == .authenticating, let session = connection.session else { continue }
            session.will = nil
            if !isPresent { session.expiry = SessionExpiry(seconds: 0) }
            refuseKeeping(connection)
        }
    }

    func refuseKeeping(_ connection: Connection) {
        connection.refuseConnect(
            .serverUnavailable, "sessions cannot be stored at the moment", slug: "store-unavailable")
    }

    /// A disk that does not answer is as good as one that fails.
    func checkStore(_ now: NIODeadline) {
        guard isCommitting, !isStoreFailing else { return }
        if now > committingSince + .nanoseconds(limits.connectTimeout.nanoseconds / 2) { storeFails() }
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
