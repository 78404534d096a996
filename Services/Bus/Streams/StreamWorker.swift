// SPDX-License-Identifier: Apache-2.0

/// The thread that writes and syncs for one stream, so that no stream waits for another's disk.
final class StreamWorker: Sendable {
    enum Job: Sendable {
        case write(LogBatch)
        case reclaim
        case retry
        case save([ConsumerRecord], isStructure: Bool)
    }

    private let queue = JobQueue<Job>()
    private let thread: NativeThread

    /// Results come to `mailbox`, marked with the stream's index.
    init(stream: Int32, log: StreamLog, store: ConsumerStore, mailbox: Mailbox) throws(SystemError) {
        let queue = queue
        thread = try NativeThread {
            while case let jobs = queue.take(), !jobs.isEmpty {
                for job in jobs { mailbox.post(.worked(stream: stream, Self.perform(job, log, store))) }
            }
        }
    }

    private static func perform(_ job: Job, _ log: StreamLog, _ store: ConsumerStore) -> Mailbox.Work {
        switch job {
        case .write(let batch):
            do throws(LogError) {
                try log.write(batch)
                return .wrote(batch, nil)
            } catch {
                return .wrote(batch, error)
            }
        case .reclaim:
            do throws(LogError) { try log.reclaim() } catch { return .reclaimed(error) }
            return .reclaimed(nil)
        case .retry:
            do throws(LogError) { try log.retry() } catch { return .retried(error) }
            return .retried(nil)
        case .save(let records, let isStructure):
            do throws(LogError) {
                if isStructure { try store.saveStructure(records) } else { try store.save(records) }
            } catch {
                return .saved(error)
            }
            return .saved(nil)
        }
    }

    func post(_ job: Job) { queue.post(job) }

    /// Finishes what was posted and ends the thread.
    func finish() {
        queue.close()
        thread.join()
    }
}
