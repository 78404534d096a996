// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// The observers of this process, by their observation and by their channel.
struct ObserverTable {
    private var observers: [ObservationID: Observer] = [:]
    private var byChannel: [ChannelID: Set<ObservationID>] = [:]
    private var byPeer: [PeerAddress: Set<ObservationID>] = [:]
    /// The newest message of those who have to wait for their turn: one each.
    var waiting: [ObservationID: ObservedMessage] = [:]

    var count: Int { observers.count }

    func count(of peer: PeerAddress) -> Int { byPeer[peer]?.count ?? 0 }

    func observers(of peer: PeerAddress) -> [Observer] { (byPeer[peer] ?? []).compactMap { observers[$0] } }

    subscript(id: ObservationID) -> Observer? { observers[id] }

    mutating func insert(_ observer: Observer) {
        observers[observer.id] = observer
        byChannel[observer.channel, default: []].insert(observer.id)
        byPeer[observer.peer, default: []].insert(observer.id)
    }

    mutating func update(_ observer: Observer) {
        if observers[observer.id] != nil { observers[observer.id] = observer }
    }

    @discardableResult
    mutating func remove(_ id: ObservationID) -> Observer? {
        guard let observer = observers.removeValue(forKey: id) else { return nil }
        waiting[id] = nil
        byChannel[observer.channel]?.remove(id)
        if byChannel[observer.channel]?.isEmpty == true { byChannel[observer.channel] = nil }
        byPeer[observer.peer]?.remove(id)
        if byPeer[observer.peer]?.isEmpty == true { byPeer[observer.peer] = nil }
        return observer
    }

    /// Those that a message is for.
    func observers(of message: ObservedMessage) -> [ObservationID] {
        guard let ids = byChannel[message.channel] else { return [] }
        return ids.filter { id in
            guard let observer = observers[id] else { return false }
            return message.sequence > observer.from && observer.filter.matches(message.subtopic)
        }
    }

    var all: [Observer] { Array(observers.values) }
}
