// SPDX-License-Identifier: Apache-2.0
import Bus
import NIOCore

// Columns are numbered as the statements of StoreSQL and StoreLoadSQL name them.

extension StoredSession {
    init(_ row: StoreRow) throws(StoreFault) {
        self.init(
            number: try row.session(0), thing: try row.identifier(1), domain: try row.identifier(2),
            clientIdentifier: try row.text(3), version: try row.value(4), expirySeconds: try row.number(5),
            closedAt: try row.optionalInteger(6), will: try StoredWill(row))
    }
}

extension StoredWill {
    fileprivate init?(_ row: StoreRow) throws(StoreFault) {
        if row.isNull(7) { return nil }
        self.init(publish: try row.bytes(7), delaySeconds: try row.number(8))
    }
}

extension StoredSubscription {
    init(_ row: StoreRow) throws(StoreFault) {
        self.init(
            filter: try row.text(1), options: try row.number(2), identifier: try row.number(3),
            channel: row.isNull(4) ? nil : try row.identifier(4))
    }
}

extension StoredReception {
    init(_ row: StoreRow) throws(StoreFault) {
        self.init(
            packetIdentifier: try row.number(1), messageID: try row.text(2), isStored: try row.flag(3),
            position: try row.unsigned(4))
    }
}

extension StoredEntry {
    init(_ row: StoreRow) throws(StoreFault) {
        self.init(
            order: try row.number(0), sequence: try row.unsigned(1), qos: try row.value(3), retain: try row.flag(4),
            filter: try row.text(5), subscriptionIdentifiers: try row.list(6), packetIdentifier: try row.number(7),
            isReleased: try row.flag(8), envelope: try row.bytes(9))
    }
}

extension StoredState.Queue {
    /// Counts an entry, and keeps it if it was sent.
    fileprivate mutating func count(_ row: StoreRow) throws(StoreFault) {
        let bytes: UInt32 = try row.number(2)
        // NULL where the body is missing.
        guard try row.integer(11) == Int64(bytes) else { throw .unreadableRow("bytes") }
        let packetIdentifier: UInt16 = try row.number(7)
        if packetIdentifier != 0 { inFlight.append(try StoredEntry(row)) }
        entries += 1
        self.bytes += Int(bytes)
    }

    mutating func add(_ row: StoreRow) throws(StoreFault) {
        // Also of an entry that is left out: its order is not free.
        lastOrder = max(lastOrder, try row.number(0))
        try count(row)
    }
}

extension StoredRetained {
    init(_ row: StoreRow) throws(StoreFault) {
        self.init(
            channel: try row.identifier(0), subtopic: try row.text(1), sequence: try row.unsigned(2),
            envelope: try row.bytes(3), expiresAt: try row.optionalInteger(4))
    }
}

extension StreamPosition {
    init(_ row: StoreRow) throws(StoreFault) {
        self.init(stream: try row.identifier(0), sequence: try row.unsigned(1))
    }
}
