// SPDX-License-Identifier: Apache-2.0
import Bus
import Logging

extension Broker {
    /// A dead letter that could not be stored is tried again after this time; until then its original counts as unacknowledged.
    private static let deadLetterRetryNanoseconds: UInt64 = 1_000_000_000

    /// Puts a message that was given up into the dead-letter stream; it counts as acknowledged once that has synced it.
    func buryLetter(_ record: LogRecord, _ entry: PendingMessages.Entry, _ consumer: Consumer) {
        let name = consumer.configuration.name
        let reason = consumer.reasons[record.sequence] ?? "\(entry.deliveries) deliveries were not acknowledged"
        let letter = DeadLetter(
            record, stream: consumer.stream.configuration.name, consumer: name, deliveries: entry.deliveries,
            reason: reason)
        let isTaken = letter.subject.withUnsafeBytes { subject in
            letter.headers.withUnsafeBytes { headers in
                store(subject: subject, headers: headers, payload: record.payload, consumer, record.sequence)
            }
        }
        consumer.pending.set(
            record.sequence, .deadLettering, deadline: isTaken ? .max : now + Self.deadLetterRetryNanoseconds)
        guard isTaken else { return }
        logger.warning(
            "message given up",
            metadata: [
                "stream": "\(consumer.stream.configuration.name)", "consumer": "\(name)",
                "sequence": "\(record.sequence)", "reason": "\(reason)",
            ])
    }

    private func store(
        subject: UnsafeRawBufferPointer, headers: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer,
        _ consumer: Consumer, _ sequence: UInt64
    ) -> Bool {
        let index = router.policy.stream(capturing: subject)
        guard index >= 0 else { return false }
        let stream = streams[Int(index)]
        repeat { nextDeadLetter &+= 1 } while deadLetters[nextDeadLetter] != nil
        let identifier = DuplicateIndex.identifier(in: headers)
        if let identifier, let first = stream.duplicates.lookup(identifier, now: wallNow) {
            stream.waiting.appendDuplicate(
                .deadLetter, token: nextDeadLetter, sequence: first, after: min(first, stream.log.nextSequence - 1))
            markDirty(stream)
        } else {
            guard
                case .appended(let stored) = append(stream, subject: subject, headers: headers, payload: payload)
            else { return false }
            if let identifier { stream.duplicates.insert(identifier, sequence: stored, storedAt: wallNow) }
            stream.waiting.append(.deadLetter, token: nextDeadLetter, sequence: stored)
        }
        deadLetters[nextDeadLetter] = (consumer, sequence)
        return true
    }

    func deadLetterStored(_ token: UInt32) {
        guard let (consumer, sequence) = deadLetters.removeValue(forKey: token) else { return }
        consumer.reasons[sequence] = nil
        if consumer.pending.acknowledge(sequence) { consumer.deadLettered &+= 1 }
        consumer.isUnsaved = true
        queue(consumer)
    }

    func deadLetterRefused(_ token: UInt32) {
        guard let (consumer, sequence) = deadLetters.removeValue(forKey: token) else { return }
        consumer.pending.set(sequence, .deadLettering, deadline: now + Self.deadLetterRetryNanoseconds)
    }
}
