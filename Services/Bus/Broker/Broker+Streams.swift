// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging

extension Broker {
    enum StoreOutcome {
        /// Appended, or known already: goes on to core subscribers.
        case taken
        case refused
        /// The log's memory is full: the frame is to be looked at again after the next sync.
        case held
    }

    /// Appends a publish to the stream that captures it.
    func store(_ connection: Connection, _ frame: PublishFrame, stream index: Int32) -> StoreOutcome {
        let stream = streams[Int(index)]
        let isDurable = frame.flags.contains(.durable)
        let identifier = DuplicateIndex.identifier(in: frame.headers)
        if let identifier, let first = stream.duplicates.lookup(identifier, now: wallNow) {
            if isDurable {
                stream.waiting.appendDuplicate(
                    .publisher(connection.identity), token: frame.token, sequence: first,
                    after: min(first, stream.log.nextSequence - 1))
                markDirty(stream)
            }
            // Whoever subscribes has had it.
            return .refused
        }
        switch append(stream, subject: frame.subject, headers: frame.headers, payload: frame.payload) {
        case .appended(let sequence):
            if let identifier { stream.duplicates.insert(identifier, sequence: sequence, storedAt: wallNow) }
            if isDurable {
                stream.waiting.append(.publisher(connection.identity), token: frame.token, sequence: sequence)
            }
            return .taken
        case .refused(.batchFull):
            stream.held.append(connection.identity)
            return .held
        case .refused(let refusal):
            stream.refused &+= 1
            let (failure, text) = explain(refusal, stream)
            noteRefusal(stream, text)
            refuse(connection, frame, failure, retryAfterSeconds: Stream.retryAfterSeconds, text)
            return .refused
        }
    }

    /// Appends, sealing a batch that is full on the way.
    func append(
        _ stream: Stream, subject: UnsafeRawBufferPointer, headers: UnsafeRawBufferPointer,
        payload: UnsafeRawBufferPointer
    ) -> AppendOutcome {
        markDirty(stream)
        let outcome = stream.log.append(subject: subject, headers: headers, payload: payload, storedAt: wallNow)
        guard outcome == .refused(.batchFull), seal(stream) else { return outcome }
        return stream.log.append(subject: subject, headers: headers, payload: payload, storedAt: wallNow)
    }

    private func explain(_ refusal: AppendRefusal, _ stream: Stream) -> (Wire.Failure, String) {
        switch refusal {
        case .budgetSpent: return (.budgetSpent, "the disk budget of stream '\(stream.configuration.name)' is spent")
        case .reserveReached: return (.budgetSpent, "the disk is nearly full")
        case .tooLarge: return (.payloadTooLarge, "larger than a record may be")
        case .batchFull, .failed:
            guard case .failed(let error) = stream.log.status else { return (.storageFailed, "the log has failed") }
            return (error.isOutOfSpace ? .budgetSpent : .storageFailed, "\(error)")
        }
    }

    private func noteRefusal(_ stream: Stream, _ reason: String) {
        guard stream.refusalReason == nil else { return }
        stream.refusalReason = reason
        logger.error(
            "stream refuses publishes",
            metadata: ["stream": "\(stream.configuration.name)", "reason": "\(reason)"])
    }

    private func noteAccepting(_ stream: Stream) {
        guard stream.refusalReason != nil else { return }
        stream.refusalReason = nil
        logger.notice("stream takes publishes again", metadata: ["stream": "\(stream.configuration.name)"])
    }

    @inline(__always)
    func markDirty(_ stream: Stream) {
        if dirtyStreams & (1 << UInt64(stream.index)) == 0 { dirtyStreams |= 1 << UInt64(stream.index) }
    }

    /// Hands the open batch to the worker.
    /// - Returns: false when there is nothing to seal.
    @discardableResult
    private func seal(_ stream: Stream) -> Bool {
        guard let batch = stream.log.sealBatch() else { return false }
        stream.batchesInFlight += 1
        stream.worker.post(.write(batch))
        return true
    }

    /// Once a tick: what was appended goes to the worker unless it is busy, in which case the batch goes on growing.
    func sealDirtyStreams() {
        guard dirtyStreams != 0 else { return }
        for stream in streams where dirtyStreams & (1 << UInt64(stream.index)) != 0 {
            if stream.batchesInFlight == 0 { seal(stream) }
            tellPublishers(stream)
        }
        dirtyStreams = 0
    }

    func worked(_ stream: Stream, _ work: Mailbox.Work) {
        let name = stream.configuration.name
        switch work {
        case .wrote(let batch, let error): finish(stream, batch, error)
        case .reclaimed(let error):
            stream.isReclaiming = false
            if let error {
                logger.error("segments could not be removed", metadata: ["stream": "\(name)", "error": "\(error)"])
            } else if case .ready = stream.log.status {
                noteAccepting(stream)
            }
        case .retried(let error):
            stream.isRetrying = false
            if error == nil {
                stream.backOff.reset()
                noteAccepting(stream)
            } else {
                scheduleRetry(stream)
            }
        case .saved(let error):
            stream.isSaving = false
            guard let error else { return }
            logger.error("positions could not be saved", metadata: ["stream": "\(name)", "error": "\(error)"])
            // Tried again with the next change of a position, or the next round of timers.
            for consumer in stream.consumers.values { consumer.isUnsaved = true }
        }
    }

    private func finish(_ stream: Stream, _ batch: LogBatch, _ error: LogError?) {
        stream.batchesInFlight -= 1
        if let error {
            stream.log.finish(batch, .failure(error))
            failed(stream, error)
        } else {
            stream.log.finish(batch, .success(()))
            noteAccepting(stream)
            tellPublishers(stream)
            serveWaitingReads(stream)
            for consumer in stream.consumers.values where consumer.reader != nil { queue(consumer) }
        }
        if stream.batchesInFlight == 0 { seal(stream) }
        releaseHeld(stream)
    }

    /// Acknowledges what is synced.
    private func tellPublishers(_ stream: Stream) {
        let synced = stream.log.lastSequence
        while let entry = stream.waiting.next(syncedThrough: synced) {
            switch entry.waiter {
            case .publisher(let identity):
                statistics.durablePublishes &+= UInt64(entry.count)
                guard let connection = connection(identity: identity), !connection.isEnding else { continue }
                connection.stored(
                    firstToken: entry.firstToken, count: entry.count, firstSequence: entry.firstSequence,
                    isDuplicate: entry.duplicateAfter != nil)
                markDirty(connection)
            case .deadLetter: deadLetterStored(entry.firstToken)
            }
        }
    }

    /// Nothing that is not synced exists any more: everybody who waits is refused.
    private func failed(_ stream: Stream, _ error: LogError) {
        let failure: Wire.Failure = error.isOutOfSpace ? .budgetSpent : .storageFailed
        stream.duplicates.remove(from: stream.log.lastSequence + 1)
        while let entry = stream.waiting.next() {
            switch entry.waiter {
            case .publisher(let identity):
                guard let connection = connection(identity: identity), !connection.isEnding else { continue }
                for offset in 0..<entry.count {
                    connection.refused(
                        entry.firstToken &+ offset, failure, retryAfterSeconds: Stream.retryAfterSeconds, "\(error)")
                }
                markDirty(connection)
            case .deadLetter: deadLetterRefused(entry.firstToken)
            }
        }
        guard error != .superseded else { return }
        noteRefusal(stream, "\(error)")
        scheduleRetry(stream)
    }

    private func scheduleRetry(_ stream: Stream) {
        stream.retryAt = now + UInt64(max(stream.backOff.next() / .milliseconds(1), 50)) * 1_000_000
    }

    /// Publishers that were paused because the log's memory was full go on where they were.
    private func releaseHeld(_ stream: Stream) {
        let held = stream.held
        stream.held = []
        for identity in held {
            guard let connection = connection(identity: identity), !connection.isEnding else { continue }
            resume(connection)
        }
    }

    /// Deletes what everybody has acknowledged, saves positions, tries failed logs again.
    func streamTimers() {
        var restless = false
        let saves = now >= nextSave
        if saves { nextSave = now + Self.saveNanoseconds }
        for stream in streams {
            if stream.retryAt != 0, now >= stream.retryAt, !stream.isRetrying {
                stream.retryAt = 0
                stream.isRetrying = true
                stream.worker.post(.retry)
            }
            if !stream.isReclaiming, stream.log.release(through: stream.acknowledgedThrough) {
                stream.isReclaiming = true
                stream.worker.post(.reclaim)
            }
            if saves || stream.isStructureUnsaved { savePositions(stream) }
            let corrupt = stream.log.corruptCount
            if corrupt > stream.loggedCorrupt {
                stream.loggedCorrupt = corrupt
                logger.error(
                    "records of a stream are lost to corruption",
                    metadata: [
                        "stream": "\(stream.configuration.name)", "count": "\(corrupt)",
                        "sequence": "\(stream.log.corruptSequences.suffix(16))",
                    ])
            }
            expireWaitingReads(stream)
            if stream.batchesInFlight == 0, !stream.held.isEmpty { releaseHeld(stream) }
            restless = restless || stream.retryAt != 0 || !stream.held.isEmpty
            for consumer in stream.consumers.values {
                if consumer.pending.nextDeadline <= now || consumer.fetchAgainAt <= now {
                    consumer.fetchAgainAt = .max
                    consumer.pending.expire(
                        now: now, maximumDeliveries: consumer.configuration.maximumDeliveries)
                    queue(consumer)
                }
                restless =
                    restless || consumer.pending.nextDeadline != .max || consumer.isUnsaved
                    || consumer.fetchAgainAt != .max
            }
        }
        isRestless = restless
    }

    func savePositions(_ stream: Stream) {
        guard !stream.isSaving else { return }
        guard stream.isStructureUnsaved || stream.consumers.values.contains(where: \.isUnsaved) else { return }
        stream.isSaving = true
        stream.worker.post(
            .save(stream.consumers.values.map(\.record), isStructure: stream.isStructureUnsaved))
        stream.isStructureUnsaved = false
        for consumer in stream.consumers.values { consumer.isUnsaved = false }
    }

    func streamStatistics() -> [StreamStatistics] {
        streams.map { stream in
            let last = stream.log.lastSequence
            return StreamStatistics(
                name: stream.configuration.name, firstSequence: stream.log.firstSequence, lastSequence: last,
                bytes: UInt64(stream.log.byteCount), budgetBytes: stream.configuration.maximumBytes,
                corrupt: stream.log.corruptCount, syncs: stream.log.counters.syncs, refused: stream.refused,
                isAccepting: stream.refusalReason == nil, reason: stream.refusalReason,
                consumers: stream.consumers.values.map { consumer in
                    let state = consumer.state(lastSequence: last)
                    return ConsumerStatistics(
                        name: consumer.configuration.name, acknowledgedThrough: state.acknowledgedThrough,
                        unacknowledged: state.unacknowledged, pending: state.pending, redelivered: state.redelivered,
                        deadLettered: state.deadLettered, hasReader: consumer.reader != nil)
                })
        }
    }

    /// Syncs what was appended and saves every position; called once, when the loop has ended.
    func finishStreams() {
        reader.finish()
        for stream in streams {
            stream.held = []
            seal(stream)
            for consumer in stream.consumers.values { consumer.isUnsaved = true }
            stream.isSaving = false
            savePositions(stream)
            stream.worker.finish()
        }
        for letter in mailbox.take() {
            if case .worked(let index, .wrote(let batch, let error)) = letter {
                finish(streams[Int(index)], batch, error)
            }
        }
    }
}
