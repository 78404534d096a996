// SPDX-License-Identifier: Apache-2.0
import Bus
import Glibc
import Logging

extension Broker {
    /// Writes to every connection that has something, once each.
    func flushDirty() {
        while let connection = overflowing.popLast() {
            end(connection, .slowConsumer, "\(connection.output.count) bytes were waiting to be read")
        }
        // Cutting a connection off marks it again while this runs: then it is flushed in the same round.
        var index = 0
        while index < dirty.count {
            let connection = dirty[index]
            connection.isDirty = false
            if !connection.isClosed { flush(connection) }
            index += 1
        }
        dirty.removeAll(keepingCapacity: true)
        arena.reset()
    }

    private func flush(_ connection: Connection) {
        let before = connection.output.count
        if connection.isBlocked {
            connection.output.settle()
        } else {
            switch connection.output.send(to: connection.descriptor) {
            case .drained: break
            case .blocked: connection.isBlocked = true
            case .broken: return close(connection)
            }
        }
        let waiting = connection.output.count
        statistics.bytesSent &+= UInt64(before - waiting)
        bufferedBytes += waiting - connection.countedOutput
        connection.countedOutput = waiting
        if connection.isEnding {
            if waiting == 0 { close(connection) } else { updateInterest(connection) }
            return
        }
        if connection.congestedSince == 0, waiting > configuration.highWaterBytes {
            connection.congestedSince = now
            congested.append(connection)
            // Its own publishes and requests would only make for more answers.
            pause(connection, behind: connection)
        } else if connection.congestedSince != 0, waiting <= configuration.highWaterBytes / 2 {
            relieve(connection)
        }
        updateInterest(connection)
        if waiting < Self.feedBytes {
            for (_, consumer) in connection.consumes { queue(consumer) }
        }
    }

    func updateInterest(_ connection: Connection) {
        guard !connection.isClosed else { return }
        var interest: UInt32 = connection.isBlocked ? Epoll.writable : 0
        if connection.blockers.isEmpty, !connection.isEnding, !connection.isHeld { interest |= Epoll.readable }
        guard interest != connection.interest else { return }
        if epoll.change(connection.descriptor, interest: interest, tag: connection.identity) {
            connection.interest = interest
        } else {
            close(connection)
        }
    }

    /// Stops reading from a publisher until the receiver has caught up.
    func pause(_ publisher: Connection, behind target: Connection) {
        guard publisher.blockers.insert(target.identity).inserted else { return }
        target.waiters.append(publisher.identity)
        statistics.publisherStalls &+= 1
        updateInterest(publisher)
    }

    /// The connection is no longer congested (or gone): whoever waited for it is read from again.
    private func relieve(_ connection: Connection) {
        guard connection.congestedSince != 0 else { return }
        connection.congestedSince = 0
        congested.removeAll { $0 === connection }
        let waiters = connection.waiters
        connection.waiters = []
        for identity in waiters {
            guard let publisher = self.connection(identity: identity) else { continue }
            publisher.blockers.remove(connection.identity)
            updateInterest(publisher)
        }
    }

    func checkStalls() {
        let limit = UInt64(configuration.stallLimitMilliseconds) * 1_000_000
        for connection in congested where now - min(now, connection.congestedSince) > limit {
            end(
                connection, .slowConsumer,
                "\(connection.output.count) bytes waited for more than \(configuration.stallLimitMilliseconds) ms")
        }
        for connection in ending where now - min(now, connection.endingSince) > Self.endingSeconds * 1_000_000_000 {
            close(connection)
        }
        ending.removeAll { $0.isClosed }
    }

    /// Ends a connection with a reason, which is the last thing it gets; what else waited for it is dropped.
    func end(_ connection: Connection, _ failure: Wire.Failure, _ text: String) {
        guard !connection.isEnding, !connection.isClosed else { return }
        statistics.cutOff[String(describing: failure).snakeCased, default: 0] += 1
        logger.warning(
            "connection cut off",
            metadata: [
                "client": "\(connection.name)", "pid": "\(connection.processID)",
                "reason": "\(String(describing: failure).snakeCased)", "detail": "\(text)",
            ])
        connection.isEnding = true
        connection.endingSince = now
        ending.append(connection)
        forget(connection)
        if failure == .slowConsumer { connection.output.truncate() }
        connection.failed(0, failure, text)
        markDirty(connection)
    }

    /// Takes a connection out of everything that would send to it or wait for it.
    private func forget(_ connection: Connection) {
        for (_, subscription) in connection.subscriptions { router.unsubscribe(subscription) }
        connection.subscriptions = [:]
        for (_, consumer) in connection.consumes { detach(consumer) }
        connection.consumes = [:]
        relieve(connection)
    }

    /// Closes at the end of the tick: until then its descriptor and slot stay taken, so that nothing else is mistaken for it.
    func close(_ connection: Connection) {
        guard !connection.isClosed else { return }
        connection.isClosed = true
        forget(connection)
        bufferedBytes -= connection.countedOutput
        connection.countedOutput = 0
        connection.carry.clear()
        closed.append(connection)
    }

    func reap() {
        guard !closed.isEmpty else { return }
        for connection in closed {
            Glibc.close(connection.descriptor)
            connections[Int(connection.slot)] = nil
            freeSlots.append(connection.slot)
            statistics.connections -= 1
        }
        closed.removeAll(keepingCapacity: true)
        ending.removeAll { $0.isClosed }
    }
}
