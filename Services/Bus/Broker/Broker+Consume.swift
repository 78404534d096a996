// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Logging

extension Broker {
    /// Begins to read through a durable consumer; whoever did so before is told and stops.
    func consume(_ connection: Connection, _ frame: ControlFrame) {
        guard frame.token != 0, connection.subscriptions[frame.token] == nil, connection.consumes[frame.token] == nil
        else { return end(connection, .protocolViolation, "consume: identifier \(frame.token) is 0 or in use") }
        guard let request = try? JSONDecoder().decode(Wire.Consume.self, from: Data(frame.body)) else {
            return connection.failed(frame.token, .invalidConfiguration, "not the JSON that is expected")
        }
        let name = request.consumer.name
        guard let role = connection.role, role.mayRead(stream: request.stream, consumer: name) else {
            statistics.refuse("permission_denied")
            logRefusal(connection, "\(request.stream.prefix(64))/\(name.prefix(64))", "may not consume")
            return connection.failed(frame.token, .permissionDenied, "the role may not read '\(request.stream)'")
        }
        guard let stream = stream(named: request.stream) else {
            return connection.failed(frame.token, .notFound, "no stream '\(request.stream)'")
        }
        if let problem = Consumer.problem(request.consumer) {
            return connection.failed(frame.token, .invalidConfiguration, problem)
        }
        let consumer: Consumer
        if let existing = stream.consumers[name] {
            consumer = existing
            if existing.configuration != request.consumer {
                existing.configuration = request.consumer
                existing.isUnsaved = true
            }
            takeOver(existing)
        } else {
            guard stream.consumers.count < Stream.maximumConsumers else {
                return connection.failed(
                    frame.token, .invalidConfiguration, "a stream has at most \(Stream.maximumConsumers) consumers")
            }
            // Beginning in the future would let a number be used up that is not given yet.
            let floor = min(max(request.consumer.startSequence, 1) - 1, stream.log.lastSequence)
            consumer = Consumer(
                stream: stream,
                record: ConsumerRecord(configuration: request.consumer, acknowledged: AcknowledgedSet(floor: floor)))
            stream.consumers[name] = consumer
            stream.isStructureUnsaved = true
        }
        consumer.reader = connection
        consumer.subscription = frame.token
        connection.consumes[frame.token] = consumer
        connection.done(frame.token, json(stream.state))
        isRestless = true
        queue(consumer)
    }

    private func takeOver(_ consumer: Consumer) {
        guard let earlier = consumer.reader else { return }
        earlier.consumes[consumer.subscription] = nil
        earlier.failed(consumer.subscription, .takenOver, "another reader took over")
        markDirty(earlier)
        detach(consumer)
    }

    /// The reader is gone: what it has not acknowledged is for the next one.
    func detach(_ consumer: Consumer) {
        consumer.reader = nil
        consumer.pending.readerLeft(maximumDeliveries: consumer.configuration.maximumDeliveries)
    }

    func acknowledge(_ connection: Connection, _ frame: ControlFrame) {
        guard let kind = Wire.Acknowledgement(rawValue: frame.extra), frame.body.count >= 8 else {
            return end(connection, .protocolViolation, "acknowledge: unknown kind, or no sequence number")
        }
        // Late ones of a consume that has ended mean nothing any more.
        guard let consumer = connection.consumes[frame.token] else { return }
        let sequence = frame.body.loadUnaligned(as: UInt64.self)
        isRestless = true
        switch kind {
        case .one: consumer.pending.acknowledge(sequence)
        case .through: consumer.pending.acknowledge(through: sequence)
        case .redeliver:
            guard frame.body.count >= 12 else {
                return end(connection, .protocolViolation, "acknowledge: no delay")
            }
            let milliseconds = frame.body.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
            guard consumer.pending[sequence]?.state == .delivered else { return }
            consumer.pending.set(sequence, .delivered, deadline: now + UInt64(milliseconds) * 1_000_000)
            nextTimer = min(nextTimer, now + UInt64(milliseconds) * 1_000_000)
        case .giveUp:
            guard consumer.pending[sequence]?.state == .delivered else { return }
            let text = String(decoding: frame.body[8...].prefix(DeadLetter.maximumReasonBytes), as: UTF8.self)
            consumer.pending.set(sequence, .givenUp)
            consumer.reasons[sequence] = text
        }
        consumer.isUnsaved = true
        queue(consumer)
    }

    func queue(_ consumer: Consumer) {
        guard !consumer.isQueued, consumer.reader != nil else { return }
        consumer.isQueued = true
        queuedConsumers.append(consumer)
    }

    func feedConsumers() {
        guard !queuedConsumers.isEmpty else { return }
        let queued = queuedConsumers
        queuedConsumers.removeAll(keepingCapacity: true)
        for consumer in queued {
            consumer.isQueued = false
            feed(consumer)
        }
    }

    /// Gives a reader what is due again and what is new, as far as its window and its socket go.
    private func feed(_ consumer: Consumer) {
        guard let reader = consumer.reader, !reader.isEnding, !reader.isClosed, !consumer.isFetching else { return }
        let stream = consumer.stream
        while reader.output.count < Self.feedBytes {
            let from: UInt64
            let maximumBytes: Int
            if let due = consumer.pending.firstDue() {
                from = due.sequence
                maximumBytes = 32 << 10
            } else {
                guard consumer.next <= stream.log.lastSequence, consumer.hasRoom(for: 1) else { return }
                from = consumer.next
                maximumBytes = 128 << 10
            }
            guard stream.log.holdsInMemory(from) else {
                consumer.isFetching = true
                return self.reader.post(
                    StreamReader.Job(
                        stream: stream.index, log: stream.log, from: from, maximumBytes: Self.feedBytes,
                        purpose: .consumer(name: consumer.configuration.name)))
            }
            let outcome = stream.log.read(from: from, maximumBytes: maximumBytes, into: scratch)
            guard take(consumer, reader, scratch, outcome, from: from) else { return }
        }
    }

    /// What the reader thread has read.
    func fetched(_ job: StreamReader.Job, _ buffer: LogReadBuffer, _ outcome: LogReadOutcome) {
        switch job.purpose {
        case .command(let read): answer(read, buffer, outcome)
        case .consumer(let name):
            guard let consumer = streams[Int(job.stream)].consumers[name] else { return }
            consumer.isFetching = false
            guard let reader = consumer.reader, !reader.isEnding, !reader.isClosed else { return }
            if take(consumer, reader, buffer, outcome, from: job.from) { queue(consumer) }
        }
    }

    /// Delivers from records that were read from `from` on.
    /// - Returns: whether anything was used up; if not, reading again would bring the same.
    private func take(
        _ consumer: Consumer, _ reader: Connection, _ buffer: LogReadBuffer, _ outcome: LogReadOutcome, from: UInt64
    ) -> Bool {
        // Read for a consumer of the same name that was deleted meanwhile: what lies between must not be passed over.
        guard from <= consumer.next else { return true }
        var hasProgress = false
        for index in 0..<buffer.count {
            let record = buffer[index]
            if record.sequence < consumer.next {
                guard let entry = consumer.pending[record.sequence] else { continue }
                switch entry.state {
                case .due:
                    consumer.pending.set(
                        record.sequence, .delivered, deadline: consumer.deadline(now), countingDelivery: true)
                    consumer.redelivered &+= 1
                    deliver(record, consumer, reader, count: entry.deliveries &+ 1)
                case .givenUp: buryLetter(record, entry, consumer)
                case .delivered, .deadLettering, .acknowledged: continue
                }
            } else if consumer.matches(record.subject), !consumer.isAcknowledged(record.sequence) {
                guard consumer.hasRoom(for: record.body.count) else { return hasProgress }
                consumer.pending.append(
                    sequence: record.sequence, bytes: record.body.count, deadline: consumer.deadline(now))
                consumer.next = record.sequence + 1
                deliver(record, consumer, reader, count: 1)
            } else {
                consumer.next = record.sequence + 1
                consumer.isUnsaved = true
            }
            hasProgress = true
        }
        isRestless = true
        if outcome.failure != nil {
            consumer.fetchAgainAt = now + 1_000_000_000
            return false
        }
        // What was asked for and is neither there nor above what was read does not exist any more.
        while let due = consumer.pending.firstDue(from: from), due.sequence < outcome.nextSequence {
            consumer.pending.acknowledge(due.sequence)
            consumer.isUnsaved = true
            hasProgress = true
        }
        if from <= consumer.next, outcome.nextSequence > consumer.next {
            consumer.next = outcome.nextSequence
            consumer.isUnsaved = true
            hasProgress = true
        }
        return hasProgress
    }

    private func deliver(_ record: LogRecord, _ consumer: Consumer, _ reader: Connection, count: UInt32) {
        let length = StreamFrame.length(record)
        StreamFrame.write(
            record, token: consumer.subscription, deliveryCount: count, to: reader.output.reserve(length),
            length: length)
        markDirty(reader)
    }
}
