// SPDX-License-Identifier: Apache-2.0

/// The thread that reads what is no longer in memory, so that a cold disk never holds up the loop.
final class StreamReader: Sendable {
    struct Job: Sendable {
        enum Purpose: Sendable {
            case consumer(name: String)
            case command(WaitingRead)
        }

        let stream: Int32
        let log: StreamLog
        let from: UInt64
        let maximumBytes: Int
        let purpose: Purpose

        var withoutOrigin: UInt64? {
            guard case .command(let read) = purpose else { return nil }
            return read.withoutOrigin
        }
    }

    private let queue = JobQueue<Job>()
    private let thread: NativeThread

    init(mailbox: Mailbox) throws(SystemError) {
        let queue = queue
        thread = try NativeThread {
            while case let jobs = queue.take(), !jobs.isEmpty {
                for job in jobs {
                    let buffer = LogReadBuffer(capacity: min(job.maximumBytes, 1 << 20))
                    let outcome = job.log.read(
                        from: job.from, maximumBytes: job.maximumBytes, withoutOrigin: job.withoutOrigin, into: buffer)
                    mailbox.post(.read(job, buffer, outcome))
                }
            }
        }
    }

    func post(_ job: Job) { queue.post(job) }

    func finish() {
        queue.close()
        thread.join()
    }
}
