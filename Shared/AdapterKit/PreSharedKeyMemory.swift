// SPDX-License-Identifier: Apache-2.0
import Core

/// What is to be asked of `things` about one pre-shared key.
enum PreSharedKeyQuestion: Sendable, Hashable {
    case thing(ThingID)
    /// Somebody came with this identity, and not all keys are here.
    case identity([UInt8])
}

/// Which pre-shared keys are known, and what has to be done to know them: the state of ``PreSharedKeyDirectory``, without its doings.
///
/// One job is under way at a time (``nextJob()`` is asked again when it is done), while changes come at any time. An answer that was on its way
/// when something changed may be older than the change: it is dropped, and asked for again.
struct PreSharedKeyMemory: Sendable {
    enum Job: Sendable, Equatable {
        /// All keys anew, into this generation.
        case load(UInt64)
        case ask([PreSharedKeyQuestion], epoch: UInt64)
    }

    /// What becomes of a load after one of its parts.
    enum Progress: Sendable, Equatable {
        case goesOn
        /// There is no room for more.
        case isFull
        /// Too much has changed: it begins again.
        case isAbandoned
    }

    private struct Load: Sendable {
        var generation: UInt64
        /// Switched off since it began: what it finds of them may be older.
        var endedDomains: Set<DomainID> = []
        var isFull = false
    }

    /// For metrics.
    struct Counts: Sendable, Equatable {
        var found: UInt64 = 0
        var unknown: UInt64 = 0
        /// Identities that were not asked about, because too many waited.
        var dropped: UInt64 = 0
        var loads: UInt64 = 0
        var questions: UInt64 = 0
        /// Loads and questions without an answer.
        var failures: UInt64 = 0
    }

    /// Things that wait to be asked about. Beyond, all keys are loaded anew, which is as quick then.
    static let maximumChanged = 10_000
    /// Domains that are switched off during one load; as above.
    static let maximumEndedDomains = 1_000
    /// Identities that wait to be asked about (policy: further ones are dropped; their devices come again).
    static let maximumMissed = 1_000
    /// Questions at the same time.
    static let askedAtOnce = 16

    private(set) var table: PreSharedKeyTable
    /// Whether all that was there was loaded once.
    private(set) var isReady = false
    /// Whether all keys are here: who is not found then is nobody.
    private(set) var isComplete = false
    /// Whether changes are heard: a load before that would be out of date without anybody knowing.
    private var isListening = false
    private var isLoadDue = false
    private var load: Load?
    private var isAsking = false
    private var changed: Set<ThingID> = []
    private var missed: Set<[UInt8]> = []
    /// Grows with each change that is not a single thing's.
    private var epoch: UInt64 = 0
    private(set) var counts = Counts()

    init(maximumEntries: Int) { table = PreSharedKeyTable(maximumEntries: maximumEntries) }

    /// Questions that wait.
    var waiting: Int { changed.count + missed.count }

    /// Whether nothing is under way, and nothing waits.
    var isIdle: Bool { !isLoadDue && load == nil && !isAsking && waiting == 0 }

    /// - Returns: the key, and whether there is now something to ask.
    mutating func find(_ identity: [UInt8]) -> (key: PreSharedKey?, isMissed: Bool) {
        if let key = table.find(identity) {
            counts.found += 1
            return (key, false)
        }
        counts.unknown += 1
        guard !isComplete, !identity.isEmpty else { return (nil, false) }
        guard missed.count < Self.maximumMissed else {
            counts.dropped += 1
            return (nil, false)
        }
        return (nil, missed.insert(identity).inserted)
    }

    /// Changes are heard from now on, or not any more; what changed before is not known.
    mutating func listen(_ isListening: Bool) {
        self.isListening = isListening
        isLoadDue = true
    }

    mutating func apply(_ change: PreSharedKeyChange) {
        switch change {
        case .nothing: break
        case .ended(let thing):
            table.remove(thing: thing)
            // An answer that is on its way may still have it.
            if load != nil || isAsking { askAbout(thing) }
        case .replaced(let thing):
            table.remove(thing: thing)
            askAbout(thing)
        case .unclear(let thing): askAbout(thing)
        case .domainEnded(let domain):
            table.remove(domain: domain)
            epoch += 1
            load?.endedDomains.insert(domain)
            if let load, load.endedDomains.count > Self.maximumEndedDomains { beginAgain() }
        case .everything: isLoadDue = true
        }
    }

    /// - Returns: nil when there is nothing to do.
    mutating func nextJob() -> Job? {
        if isLoadDue, isListening {
            isLoadDue = false
            table.beginGeneration()
            load = Load(generation: table.generation)
            return .load(table.generation)
        }
        // What a load has brought meanwhile, or has shown not to be there, need not be asked about.
        if isComplete { missed = [] }
        missed = missed.filter { table.find($0) == nil }
        let things = changed.prefix(Self.askedAtOnce)
        let identities = missed.prefix(Self.askedAtOnce - things.count)
        guard !things.isEmpty || !identities.isEmpty else { return nil }
        changed.subtract(things)
        missed.subtract(identities)
        isAsking = true
        counts.questions += UInt64(things.count + identities.count)
        return .ask(things.map { .thing($0) } + identities.map { .identity($0) }, epoch: epoch)
    }

    /// A part of what a load has found.
    mutating func take(
        _ keys: [(identity: [UInt8], key: PreSharedKey)], of generation: UInt64
    ) -> Progress {
        guard let load, load.generation == generation else { return .isAbandoned }
        for (identity, key) in keys where !changed.contains(key.thing) && !load.endedDomains.contains(key.domain) {
            guard table.put(key, identity: identity) else {
                self.load?.isFull = true
                return .isFull
            }
        }
        return .goesOn
    }

    /// The load has found all that there is, or all that there is room for.
    mutating func finishLoad(_ generation: UInt64) {
        guard let load, load.generation == generation else { return }
        table.removeOlder()
        isReady = true
        isComplete = !load.isFull
        counts.loads += 1
        self.load = nil
    }

    /// The load could not go on.
    mutating func failLoad(_ generation: UInt64) {
        counts.failures += 1
        guard load?.generation == generation else { return }
        load = nil
        isLoadDue = true
    }

    /// - Parameter epoch: as the job said.
    mutating func take(
        _ answer: (identity: [UInt8], key: PreSharedKey)?, to question: PreSharedKeyQuestion, epoch: UInt64
    ) {
        guard epoch == self.epoch else { return askAgain(question) }
        switch question {
        case .thing(let thing):
            guard !changed.contains(thing) else { return }
            table.remove(thing: thing)
            if let answer, !table.put(answer.key, identity: answer.identity) { isComplete = false }
        case .identity:
            guard let answer, !changed.contains(answer.key.thing) else { return }
            table.putMakingRoom(answer.key, identity: answer.identity)
        }
    }

    /// There was no answer.
    mutating func failAsking(_ question: PreSharedKeyQuestion) {
        counts.failures += 1
        askAgain(question)
    }

    mutating func finishAsking() { isAsking = false }

    /// Knows nothing any more.
    mutating func empty() {
        table.removeAll()
        isReady = false
        isComplete = false
        isListening = false
        changed = []
        missed = []
    }

    /// Who came with an identity comes again.
    private mutating func askAgain(_ question: PreSharedKeyQuestion) {
        if case .thing(let thing) = question { askAbout(thing) }
    }

    private mutating func askAbout(_ thing: ThingID) {
        guard changed.count < Self.maximumChanged || changed.contains(thing) else { return beginAgain() }
        changed.insert(thing)
    }

    private mutating func beginAgain() {
        epoch += 1
        changed = []
        load = nil
        isLoadDue = true
    }
}
