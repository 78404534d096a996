// SPDX-License-Identifier: Apache-2.0
import Bus
import NIOCore

extension StoreDatabase {
    /// Makes one change within a transaction.
    func apply(_ change: StoreChange, _ statements: StoreStatements) throws {
        switch change {
        case .session(let session): try apply(session, statements)
        case .removeSession(let session): try remove(session, statements)
        case .subscription(let session, let subscription):
            guard try exists(session, statements) else { return }
            try statements.subscription.run(
                .session(session), .text(subscription.filter), .number(subscription.options),
                .number(subscription.identifier), subscription.channel.map { .identifier($0) } ?? .null)
        case .removeSubscription(let session, let filter):
            try statements.removeSubscription.run(.session(session), .text(filter))
        case .reception(let session, let reception):
            guard try exists(session, statements) else { return }
            try statements.reception.run(
                .session(session), .number(reception.packetIdentifier), .text(reception.messageID),
                .flag(reception.isStored), .unsigned(reception.position))
        case .removeReception(let session, let packetIdentifier):
            try statements.removeReception.run(.session(session), .number(packetIdentifier))
        case .entry(let session, let entry):
            guard try exists(session, statements) else { return }
            try apply(entry, of: session, statements)
        case .sent(let session, let order, let packetIdentifier):
            try statements.sent.run(.session(session), .order(order), .number(packetIdentifier))
        case .released(let session, let order): try statements.released.run(.session(session), .order(order))
        case .removeEntry(let session, let order): try remove(order, of: session, statements)
        case .retained(let retained):
            try statements.retained.run(
                .identifier(retained.channel), .text(retained.subtopic), .unsigned(retained.sequence),
                .bytes(retained.envelope), retained.expiresAt.map { .integer($0) } ?? .null)
        case .removeRetained(let channel, let subtopic):
            try statements.removeRetained.run(.identifier(channel), .text(subtopic))
        case .position(let position):
            try statements.position.run(.identifier(position.stream), .unsigned(position.sequence))
        }
    }

    /// What comes for a session after its end is no fault: its commit holds other sessions' changes too.
    private func exists(_ session: SessionNumber, _ statements: StoreStatements) throws -> Bool {
        try statements.hasSession.first(.session(session)) { _ in true } ?? false
    }

    private func apply(_ session: StoredSession, _ statements: StoreStatements) throws {
        try statements.session.run(
            .session(session.number), .identifier(session.thing), .identifier(session.domain),
            .text(session.clientIdentifier), .number(session.version.rawValue), .number(session.expirySeconds),
            session.closedAt.map { .integer($0) } ?? .null, session.will.map { .bytes($0.publish) } ?? .null,
            session.will.map { .number($0.delaySeconds) } ?? .null)
    }

    private func remove(_ session: SessionNumber, _ statements: StoreStatements) throws {
        let size = try statements.sizeOfEntries.first(.session(session), read: StoreSize.init) ?? StoreSize()
        try statements.removeEntries.run(.session(session))
        uncommitted -= size
        try statements.removeSubscriptions.run(.session(session))
        try statements.removeReceptions.run(.session(session))
        try statements.removeSession.run(.session(session))
    }

    private func remove(_ order: UInt64, of session: SessionNumber, _ statements: StoreStatements) throws {
        // A size that cannot be read is no reason to keep the entry.
        let bytes = try statements.removeEntry.first(.session(session), .order(order)) { row in
            (try? row.number(0) as UInt32) ?? 0
        }
        if let bytes { uncommitted -= StoreSize(entries: 1, bytes: Int(bytes)) }
    }

    private func apply(_ entry: StoredEntry, of session: SessionNumber, _ statements: StoreStatements) throws {
        if try insert(entry, of: session, statements) == 0 {
            try remove(entry.order, of: session, statements)
            _ = try insert(entry, of: session, statements)
        }
        uncommitted += StoreSize(entries: 1, bytes: entry.envelope.readableBytes)
        let message = StoreValue.unsigned(entry.sequence)
        guard try statements.message.run(message, .bytes(entry.envelope)) == 0 else { return }
        let isSame = try statements.hasSameMessage.first(message, .bytes(entry.envelope)) { _ in true } ?? false
        if isSame { return }
        // A stream that was lost and begun anew counts from 1 again, while entries of the lost one still wait: this body has a key of its own, where no
        // stream gets to.
        let ownKey = StoreValue.integer(.random(in: .min ... -1))
        guard try statements.message.run(ownKey, .bytes(entry.envelope)) == 1 else { throw StoreFault.keyTaken }
        try statements.useMessage.run(.session(session), .order(entry.order), ownKey)
    }

    private func insert(_ entry: StoredEntry, of session: SessionNumber, _ statements: StoreStatements) throws -> Int {
        try statements.entry.run(
            .session(session), .order(entry.order), .unsigned(entry.sequence), .unsigned(entry.sequence),
            .number(entry.envelope.readableBytes), .number(entry.qos.rawValue), .flag(entry.retain),
            .text(entry.filter), .list(entry.subscriptionIdentifiers), .number(entry.packetIdentifier),
            .flag(entry.isReleased))
    }
}
