// SPDX-License-Identifier: Apache-2.0
import Bus

/// The command `read`: stored messages without a consumer, at the end of the stream as soon as there are more.
extension Broker {
    /// The largest answer to `read`; a caller reads on from where it ended.
    private static let maximumReadBytes = 1 << 20
    /// A wait is short, so that what a caller that has gone left behind goes too.
    private static let maximumWaitMilliseconds = 10_000

    func read(_ connection: Connection, _ token: UInt32, _ stream: Stream, _ reference: Wire.StreamReference) {
        if let id = reference.id, id != stream.log.id {
            return connection.failed(token, .notFound, "the stream '\(reference.stream)' was begun anew")
        }
        let wait = min(max(reference.waitMilliseconds ?? 0, 0), Self.maximumWaitMilliseconds)
        let read = WaitingRead(
            connection: connection.identity, token: token, from: max(reference.from ?? 1, 1),
            maximumBytes: min(max(reference.maximumBytes ?? Self.maximumReadBytes, 1), Self.maximumReadBytes),
            withoutOrigin: reference.withoutOrigin, deadline: now + UInt64(wait) * 1_000_000)
        // Policy of the queue: what does not fit is answered at once, with nothing.
        guard wait > 0, stream.log.lastSequence < read.from, stream.waitingReads.count < Stream.maximumWaitingReads
        else { return perform(read, stream) }
        stream.waitingReads.append(read)
    }

    /// What is in memory is answered at once; the rest is for the thread that may wait for a disk.
    private func perform(_ read: WaitingRead, _ stream: Stream) {
        guard stream.log.holdsInMemory(read.from) else {
            return reader.post(
                StreamReader.Job(
                    stream: stream.index, log: stream.log, from: read.from, maximumBytes: read.maximumBytes,
                    purpose: .command(read)))
        }
        let outcome = stream.log.read(
            from: read.from, maximumBytes: read.maximumBytes, withoutOrigin: read.withoutOrigin, into: scratch)
        answer(read, scratch, outcome)
    }

    /// Called when more is synced.
    func serveWaitingReads(_ stream: Stream) {
        guard !stream.waitingReads.isEmpty else { return }
        let last = stream.log.lastSequence
        let waiting = stream.waitingReads
        stream.waitingReads = waiting.filter { $0.from > last }
        for read in waiting where read.from <= last { perform(read, stream) }
    }

    func expireWaitingReads(_ stream: Stream) {
        guard !stream.waitingReads.isEmpty else { return }
        let waiting = stream.waitingReads
        stream.waitingReads = waiting.filter { $0.deadline > now }
        for read in waiting where read.deadline <= now { perform(read, stream) }
    }

    func answer(_ read: WaitingRead, _ buffer: LogReadBuffer, _ outcome: LogReadOutcome) {
        guard let connection = connection(identity: read.connection), !connection.isEnding else { return }
        if let failure = outcome.failure {
            connection.failed(read.token, .storageFailed, "\(failure)")
            return markDirty(connection)
        }
        let end = read.withoutOrigin == nil ? 0 : Wire.headLength + Wire.streamHeadLength
        let length = buffer.reduce(end) { $0 + StreamFrame.length($1) }
        let body = [UInt8](unsafeUninitializedCapacity: length) { bytes, count in
            guard var target = UnsafeMutableRawPointer(bytes.baseAddress) else { return }
            for record in buffer {
                let length = StreamFrame.length(record)
                StreamFrame.write(record, token: 0, deliveryCount: 0, to: target, length: length)
                target += length
            }
            if end > 0 {
                StreamFrame.writeEnd(
                    through: outcome.nextSequence - 1, passedOver: UInt32(clamping: outcome.passedOver), to: target)
            }
            count = length
        }
        connection.done(read.token, body)
        markDirty(connection)
    }
}
