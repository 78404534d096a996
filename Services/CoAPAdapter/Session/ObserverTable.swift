// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// The observers of this process, by their observation and by their channel.
struct ObserverTable {
    private var observers: [ObservationID: Observer] = [:]
    private var byChannel: [ChannelID: Set<ObservationID>] = [:]
    private var byPeer: [PeerAddress: Set<ObservationID>] = [:]
    /// The newest message of those who have to wait for their turn: one each.
    private(set) var waiting: [ObservationID: ObservedMessage] = [:]
    /// Of the payloads that wait, each counted as often as it does.
    private(set) var waitingBytes = 0
    private let maximumWaitingBytes: Int

    init(maximumWaitingBytes: Int = 64 << 20) { self.maximumWaitingBytes = maximumWaitingBytes }

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
        takeWaiting(id)
        byChannel[observer.channel]?.remove(id)
        if byChannel[observer.channel]?.isEmpty == true { byChannel[observer.channel] = nil }
        byPeer[observer.peer]?.remove(id)
        if byPeer[observer.peer]?.isEmpty == true { byPeer[observer.peer] = nil }
        return observer
    }

    enum Waiting: Equatable {
        case waits
        /// One that waited has lost its place to it.
        case replaced
        /// There is no room for it, nor for what waited before.
        case refused
    }

    /// Keeps a message for an observer, in the place of one that waited.
    mutating func wait(_ message: ObservedMessage, _ id: ObservationID) -> Waiting {
        let hadOne = takeWaiting(id) != nil
        guard waitingBytes + message.payload.readableBytes <= maximumWaitingBytes else { return .refused }
        waitingBytes += message.payload.readableBytes
        waiting[id] = message
        return hadOne ? .replaced : .waits
    }

    @discardableResult
    mutating func takeWaiting(_ id: ObservationID) -> ObservedMessage? {
        guard let message = waiting.removeValue(forKey: id) else { return nil }
        waitingBytes -= message.payload.readableBytes
        return message
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
