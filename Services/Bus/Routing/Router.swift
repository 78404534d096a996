// SPDX-License-Identifier: Apache-2.0
import Messaging

/// Where a subject leads, as it stands in the route cache.
struct Route {
    /// The subject's bytes; owned by the router.
    var subject: UnsafeMutableRawPointer?
    var subjectLength: Int32 = 0
    /// Routes of an older epoch are worked out again. 0: an empty place.
    var epoch: UInt32 = 0
    var hash: UInt64 = 0
    /// Bit n: the role with that index may publish here. 0 for a malformed subject.
    var publishers: UInt64 = 0
    /// Index into the router's target sets.
    var targets: Int32 = 0
    /// The stream that captures the subject; -1: none.
    var stream: Int32 = -1
    /// The set has plain connections only and no stream captures the subject: frames may be passed on as they are.
    var isPlain = false
    var isWellFormed = false
}

/// Which streams capture and which roles may publish what; asked on a miss of the route cache only.
protocol RoutePolicy {
    func stream(capturing subject: UnsafeRawBufferPointer) -> Int32
    func publishers(of subject: UnsafeRawBufferPointer) -> UInt64
}

/// From a subject's bytes to its receivers: a bounded cache in front of the subscription trie.
///
/// The cache is an open-addressing table keyed by a seeded hash of the subject with a byte comparison. A filter without wildcards
/// invalidates one entry when it comes or goes, any other filter all of them.
final class Router<Policy: RoutePolicy> {
    /// Probes before an entry is evicted: a bound on what colliding subjects can cost.
    static var probes: Int { 16 }
    /// A new generation of target sets begins beyond this many, so that sets nobody refers to any more go away.
    static var maximumTargetSets: Int { 65_536 }

    var policy: Policy
    private let table: UnsafeMutablePointer<Route>
    private let mask: Int
    private let seed: UInt64
    private var epoch: UInt32 = 1
    private var trie = SubscriptionTrie()
    private var sets: ContiguousArray<TargetSet> = []
    private var setIndex: [[UInt64]: Int32] = [:]
    private(set) var misses: UInt64 = 0

    /// - Parameter capacity: entries of the cache, a power of two. 16,384 entries take 1 MiB and the subjects' own bytes.
    init(policy: Policy, capacity: Int = 16_384, seed: UInt64 = .random(in: .min ... .max)) {
        self.policy = policy
        self.seed = seed | 1
        mask = capacity - 1
        table = .allocate(capacity: capacity)
        table.initialize(repeating: Route(), count: capacity)
    }

    deinit {
        for index in 0...mask { table[index].subject?.deallocate() }
        table.deallocate()
    }

    var subscriptionCount: Int { trie.count }

    func subscribe(_ subscription: Subscription) {
        trie.insert(subscription)
        invalidate(subscription)
    }

    func unsubscribe(_ subscription: Subscription) {
        trie.remove(subscription)
        invalidate(subscription)
    }

    /// Forgets what is cached: streams or roles have changed.
    func invalidateAll() {
        epoch &+= 1
        if epoch == 0 { epoch = 1 }
        sets.removeAll(keepingCapacity: true)
        setIndex.removeAll(keepingCapacity: true)
    }

    private func invalidate(_ subscription: Subscription) {
        guard subscription.isLiteral, sets.count < Self.maximumTargetSets else { return invalidateAll() }
        var text = subscription.filter
        text.withUTF8 { bytes in
            guard let base = bytes.baseAddress else { return }
            let hash = hash(base, bytes.count)
            for probe in 0..<Self.probes {
                let entry = table + ((Int(truncatingIfNeeded: hash) &+ probe) & mask)
                if entry.pointee.hash == hash { entry.pointee.epoch = 0 }
            }
        }
    }

    @inline(__always)
    func targets(_ index: Int32) -> TargetSet { sets[Int(index)] }

    /// The route of a subject. The pointer is good until the next call on the router.
    @inline(__always)
    func route(_ subject: UnsafeRawPointer, _ length: Int) -> UnsafeMutablePointer<Route> {
        let hash = hash(subject, length)
        let first = table + (Int(truncatingIfNeeded: hash) & mask)
        if first.pointee.hash == hash, first.pointee.epoch == epoch, first.pointee.subjectLength == length,
            let key = first.pointee.subject, Self.equal(key, subject, length)
        {
            return first
        }
        return probe(subject, length, hash)
    }

    @inline(never)
    private func probe(_ subject: UnsafeRawPointer, _ length: Int, _ hash: UInt64) -> UnsafeMutablePointer<Route> {
        var free: UnsafeMutablePointer<Route>?
        for probe in 0..<Self.probes {
            let entry = table + ((Int(truncatingIfNeeded: hash) &+ probe) & mask)
            if entry.pointee.hash == hash, Int(entry.pointee.subjectLength) == length, let key = entry.pointee.subject,
                Self.equal(key, subject, length)
            {
                if entry.pointee.epoch != epoch { resolve(entry) }
                return entry
            }
            if free == nil, entry.pointee.epoch != epoch { free = entry }
        }
        // All places of this neighbourhood taken: one of them is evicted, chosen by the hash's unused bits.
        let entry = free ?? table + ((Int(truncatingIfNeeded: hash) &+ Int(truncatingIfNeeded: hash >> 60)) & mask)
        entry.pointee.subject?.deallocate()
        let key = UnsafeMutableRawPointer.allocate(byteCount: max(length, 1), alignment: 8)
        key.copyMemory(from: subject, byteCount: length)
        entry.pointee.subject = key
        entry.pointee.subjectLength = Int32(length)
        entry.pointee.hash = hash
        resolve(entry)
        return entry
    }

    private func resolve(_ entry: UnsafeMutablePointer<Route>) {
        misses &+= 1
        let subject = UnsafeRawBufferPointer(
            start: entry.pointee.subject.map { UnsafeRawPointer($0) }, count: Int(entry.pointee.subjectLength))
        entry.pointee.isWellFormed = SubjectFilter.isValidSubject(subject)
        if entry.pointee.isWellFormed {
            entry.pointee.publishers = policy.publishers(of: subject)
            entry.pointee.stream = policy.stream(capturing: subject)
            entry.pointee.targets = targetSet(for: subject)
        } else {
            entry.pointee.publishers = 0
            entry.pointee.stream = -1
            entry.pointee.targets = emptySet()
        }
        entry.pointee.isPlain =
            entry.pointee.isWellFormed && entry.pointee.stream < 0
            && sets[Int(entry.pointee.targets)].groups.isEmpty
        entry.pointee.epoch = epoch
    }

    private func emptySet() -> Int32 { intern(connections: [], groups: [:]) }

    private func targetSet(for subject: UnsafeRawBufferPointer) -> Int32 {
        var connections: Set<Int32> = []
        var groups: [String: [QueueGroup.Member]] = [:]
        trie.forEachMatch(subject) { subscription in
            if subscription.queueGroup.isEmpty {
                connections.insert(subscription.slot)
            } else {
                groups[subscription.queueGroup, default: []].append(
                    .init(slot: subscription.slot, identifier: subscription.identifier))
            }
        }
        return intern(connections: connections, groups: groups)
    }

    private func intern(connections: Set<Int32>, groups: [String: [QueueGroup.Member]]) -> Int32 {
        let sorted = connections.sorted()
        var key = sorted.map { UInt64(UInt32(bitPattern: $0)) }
        let names = groups.keys.sorted()
        for name in names {
            // Members name a connection's subscription, which belongs to one group only: they tell the groups apart.
            key.append(.max)
            for member in groups[name, default: []] {
                key.append(UInt64(UInt32(bitPattern: member.slot)) << 32 | UInt64(member.identifier))
            }
        }
        if let known = setIndex[key] { return known }
        let index = Int32(sets.count)
        sets.append(
            TargetSet(
                connections: ContiguousArray(sorted),
                groups: names.map { QueueGroup(name: $0, members: groups[$0, default: []]) }))
        setIndex[key] = index
        return index
    }

    /// Eight bytes at a time, multiplied and folded; seeded, so that nobody can prepare subjects that collide.
    @inline(__always)
    func hash(_ bytes: UnsafeRawPointer, _ length: Int) -> UInt64 {
        var hash = seed ^ UInt64(truncatingIfNeeded: length)
        if length >= 8 {
            var position = 0
            while position &+ 8 < length {
                hash = Self.mix(hash ^ bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                position &+= 8
            }
            return Self.mix(hash ^ bytes.loadUnaligned(fromByteOffset: length &- 8, as: UInt64.self))
        }
        var tail: UInt64 = 0
        for position in 0..<length { tail = tail << 8 | UInt64(bytes.load(fromByteOffset: position, as: UInt8.self)) }
        return Self.mix(hash ^ tail)
    }

    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.low ^ product.high
    }

    @inline(__always)
    private static func equal(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ length: Int) -> Bool {
        if length < 8 {
            for index in 0..<length
            where left.load(fromByteOffset: index, as: UInt8.self) != right.load(fromByteOffset: index, as: UInt8.self)
            {
                return false
            }
            return true
        }
        var position = 0
        while position &+ 8 < length {
            if left.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                != right.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            {
                return false
            }
            position &+= 8
        }
        return left.loadUnaligned(fromByteOffset: length &- 8, as: UInt64.self)
            == right.loadUnaligned(fromByteOffset: length &- 8, as: UInt64.self)
    }
}
