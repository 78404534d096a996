// SPDX-License-Identifier: Apache-2.0

/// The connections that there are, in no order. Each knows its place, so that none is looked for.
struct ConnectionTable {
    private(set) var all: [Connection] = []

    var count: Int { all.count }
    var isEmpty: Bool { all.isEmpty }

    func contains(_ connection: Connection) -> Bool { connection.place != nil }

    mutating func insert(_ connection: Connection) {
        guard !contains(connection) else { return }
        connection.place = UInt32(all.count)
        all.append(connection)
    }

    /// - Returns: whether it was there.
    mutating func remove(_ connection: Connection) -> Bool {
        guard let place = connection.place else { return false }
        connection.place = nil
        let last = all.removeLast()
        guard last !== connection else { return true }
        last.place = place
        all[Int(place)] = last
        return true
    }
}
