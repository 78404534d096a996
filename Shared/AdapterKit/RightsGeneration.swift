// SPDX-License-Identifier: Apache-2.0
import Core

/// What is known of a thing's right on a channel, searched by thing and by the channel as it was named.
struct RightKey: Hashable, Sendable {
    let thing: ThingID
    let channel: ChannelAddress
}

/// Whose key it is.
struct KnownThing: Sendable {
    var thing: ThingID
    var domain: DomainID
    /// Monotonic nanoseconds; beyond it the entry goes on being used while it is asked for anew.
    var freshUntil: Int64
}

/// What a thing may do on a channel.
struct KnownRight: Sendable {
    var channel: ChannelID
    var domain: DomainID
    var publish: Bool
    var subscribe: Bool
    /// Which state of knowledge it was asked in.
    var epoch: UInt64
    var freshUntil: Int64 = 0

    func allows(_ right: AccessRight) -> Bool {
        switch right {
        case .publish: publish
        case .subscribe: subscribe
        }
    }
}

/// One of the two halves of the cache, with the indexes by which a change finds what it touches.
///
/// Entries are used out of the young half and come there when they are used; when it is full it becomes the old half and what had
/// stood there is forgotten: least recently used, nearly, at constant cost.
struct RightsGeneration: Sendable {
    private struct Footprint: Sendable {
        var keys: Set<KeyFingerprint> = []
        var rights: Set<RightKey> = []
    }

    private(set) var things: [KeyFingerprint: KnownThing] = [:]
    private(set) var rights: [RightKey: KnownRight] = [:]
    private var footprints: [ThingID: Footprint] = [:]
    private var rightsByChannel: [ChannelID: Set<RightKey>] = [:]

    var count: Int { things.count + rights.count }

    mutating func insert(_ known: KnownThing, at key: KeyFingerprint) {
        if let former = things.updateValue(known, forKey: key), former.thing != known.thing {
            footprints[former.thing]?.keys.remove(key)
        }
        footprints[known.thing, default: Footprint()].keys.insert(key)
    }

    mutating func insert(_ known: KnownRight, at key: RightKey) {
        if let former = rights.updateValue(known, forKey: key), former.channel != known.channel {
            rightsByChannel[former.channel]?.remove(key)
        }
        footprints[key.thing, default: Footprint()].rights.insert(key)
        rightsByChannel[known.channel, default: []].insert(key)
    }

    mutating func postpone(_ key: KeyFingerprint, until time: Int64) { things[key]?.freshUntil = time }

    mutating func postpone(_ key: RightKey, until time: Int64) { rights[key]?.freshUntil = time }

    mutating func remove(key: KeyFingerprint) {
        guard let former = things.removeValue(forKey: key) else { return }
        footprints[former.thing]?.keys.remove(key)
    }

    mutating func remove(thing: ThingID) {
        guard let footprint = footprints.removeValue(forKey: thing) else { return }
        for key in footprint.keys { things[key] = nil }
        for key in footprint.rights { removeRight(key) }
    }

    mutating func remove(rightsOf thing: ThingID) {
        for key in footprints[thing]?.rights ?? [] { removeRight(key) }
        footprints[thing]?.rights = []
    }

    mutating func remove(channel: ChannelID) {
        for key in rightsByChannel.removeValue(forKey: channel) ?? [] {
            rights[key] = nil
            footprints[key.thing]?.rights.remove(key)
        }
    }

    mutating func remove(thing: ThingID, channel: ChannelID) {
        for key in footprints[thing]?.rights ?? [] where rights[key]?.channel == channel {
            removeRight(key)
            footprints[thing]?.rights.remove(key)
        }
    }

    private mutating func removeRight(_ key: RightKey) {
        guard let former = rights.removeValue(forKey: key) else { return }
        rightsByChannel[former.channel]?.remove(key)
        if rightsByChannel[former.channel]?.isEmpty == true { rightsByChannel[former.channel] = nil }
    }
}
