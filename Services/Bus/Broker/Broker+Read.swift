// SPDX-License-Identifier: Apache-2.0
import Bus

/// The command `read`: stored messages without a consumer, at the end of the stream as soon as there are more.
extension Broker {
    /// The largest answer to `read`; a caller reads on from where it ended.
    private static let maximumReadBytes = 1 << 20
    /// A wait is short, so that what a caller that has gone left behind goes too.
    private static let maximumWaitMilliseconds = 10_000

    func read(_ connection: Connection, _ token: UInt32, _ stream: Stream, _ reference: Wire.StreamReference) {
        let wait = min(max(reference.waitMilliseconds ?? 0, 0), Self.maximumWaitMilliseconds)
        let read = WaitingRead(
            connection: connection.identity, token: token, from: max(reference.from ?? 1, 1),
            maximumBytes: min(max(reference.maximumBytes ?? Self.maximumReadBytes, 1), Self.maximumReadBytes),
            deadline: now + UInt64(wait) * 1_000_000)
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
                    purpose: .command(connection: read.connection, token: read.token)))
        }
        let outcome = stream.log.read(from: read.from, maximumBytes: read.maximumBytes, into: scratch)
        answerRead(read.connection, read.token, scratch, outcome)
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

    func answerRead(_ identity: UInt64, _ token: UInt32, _ buffer: LogReadBuffer, _ outcome: LogReadOutcome) {
        guard let connection = connection(identity: identity), !connection.isEnding else { return }
        if let failure = outcome.failure {
            connection.failed(token, .storageFailed, "\(failure)")
            return markDirty(connection)
        }
        var body: [UInt8] = []
        for index in 0..<buffer.count {
            let record = buffer[index]
            let length = StreamFrame.length(record)
            let start = body.count
            body.append(contentsOf: repeatElement(0, count: length))
            body.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                StreamFrame.write(record, token: 0, deliveryCount: 0, to: base + start, length: length)
            }
        }
        connection.done(token, body)
        markDirty(connection)
    }
}
