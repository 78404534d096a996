// SPDX-License-Identifier: Apache-2.0
import Bus
import CLinux
import Core
import Glibc
import Logging
import Messaging

/// The daemon's heart: one thread, one epoll, everything that connections and streams share.
///
/// A tick is: wait; read what arrived and route it in place; hand batches to the threads that sync; feed consumers; write to every
/// connection that has something, once; let go of what closed. Nothing else runs on this thread and nothing here blocks.
final class Broker {
    /// Who may publish what and which stream captures it, as the router asks.
    struct Policy: RoutePolicy {
        var roles: RoleTable
        var captures: [(filter: String, stream: Int32)] = []

        func publishers(of subject: UnsafeRawBufferPointer) -> UInt64 { roles.publishers(of: subject) }

        func stream(capturing subject: UnsafeRawBufferPointer) -> Int32 {
            for capture in captures {
                var filter = capture.filter
                let matches = filter.withUTF8 {
                    SubjectFilter.matches(filter: UnsafeRawBufferPointer($0), subject: subject)
                }
                if matches { return capture.stream }
            }
            return -1
        }
    }

    static let listenerTag = UInt64.max
    static let wakeupTag = UInt64.max - 1
    /// A connection has to say hello within this time.
    static let helloSeconds: UInt64 = 10
    /// What is owed to a connection that is being ended may take this long.
    static let endingSeconds: UInt64 = 2
    /// How often limits of time are looked at.
    static let timerNanoseconds: UInt64 = 50_000_000
    /// How often consumers' positions are saved: what a crash can make them forget.
    static let saveNanoseconds: UInt64 = 200_000_000
    /// A stream consumer is given more while fewer bytes wait for its connection: well below any high-water mark, so that reading a
    /// stream never makes a connection congested.
    static let feedBytes = 256 << 10
    /// Longest frame: the largest message with subject, reply and headers at their limits.
    static let maximumFrameBytes =
        Wire.headLength + 2 * Limits.subjectBytes + Int(UInt16.max) + Limits.messageBytes

    let configuration: BusConfiguration
    let roles: RoleTable
    let logger: Logger
    let clock: WallClock
    let mailbox: Mailbox
    let epoll: Epoll
    let arena = ReadArena()
    let router: Router<Policy>
    /// Changes at every start.
    let instance = String(UInt64.random(in: .min ... .max), radix: 16)

    var listener: Int32
    var isListening = true
    var listenAgainAt: UInt64 = 0
    /// Given up for a moment when descriptors run out, so that a connection can be accepted and closed.
    var reserve: Int32
    var connections: ContiguousArray<Connection?> = []
    var freeSlots: [Int32] = []
    var serial = UInt64.random(in: 0..<1 << 32)
    var dirty: [Connection] = []
    var congested: [Connection] = []
    var ending: [Connection] = []
    var overflowing: [Connection] = []
    var closed: [Connection] = []
    var streams: [Stream] = []
    /// Bit n: stream n has something to seal or to tell.
    var dirtyStreams: UInt64 = 0
    var queuedConsumers: [Consumer] = []
    /// Dead letters that are not synced, by the number under which they wait.
    var deadLetters: [UInt32: (consumer: Consumer, sequence: UInt64)] = [:]
    var nextDeadLetter: UInt32 = 0
    let reader: StreamReader
    let scratch = LogReadBuffer(capacity: 256 << 10)
    var bufferedBytes = 0
    var statistics = BusStatistics()
    /// Nanoseconds since 1970, read once a tick: what stored messages are stamped with.
    var wallNow: Int64 = 0
    /// Something waits for a timer shorter than a second.
    var isRestless = false
    var nextStatistics: UInt64 = 0
    var nextSave: UInt64 = 0
    /// Monotonic nanoseconds, read once a tick.
    var now = MonotonicClock.now()
    var nextTimer: UInt64 = 0
    var isStopping = false

    init(
        configuration: BusConfiguration, roles: RoleTable, listener: Int32, mailbox: Mailbox,
        clock: WallClock, logger: Logger
    ) throws {
        self.configuration = configuration
        self.roles = roles
        self.listener = listener
        self.mailbox = mailbox
        self.logger = logger
        self.clock = clock
        router = Router(policy: Policy(roles: roles))
        epoll = try Epoll()
        reader = try StreamReader(mailbox: mailbox)
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard epoll.add(listener, interest: Epoll.readable, tag: Self.listenerTag),
            epoll.add(mailbox.wakeup.descriptor, interest: Epoll.readable, tag: Self.wakeupTag)
        else { throw SystemError("epoll_ctl") }
        try openStreams()
    }

    /// Serves until told to stop.
    func run() {
        while !isStopping { tick() }
        shutDown()
    }

    func tick() {
        var hasTime = false
        epoll.wait(milliseconds: timeout()) { tag, ready in
            if !hasTime { readClocks() }
            hasTime = true
            switch tag {
            case Self.listenerTag: accept()
            case Self.wakeupTag: mailbox.wakeup.acknowledge()
            default: connectionIsReady(tag, ready)
            }
        }
        if !hasTime { readClocks() }
        for letter in mailbox.take() { handle(letter) }
        sealDirtyStreams()
        feedConsumers()
        flushDirty()
        if now >= nextTimer { timers() }
        reap()
    }

    private func readClocks() {
        now = MonotonicClock.now()
        wallNow = clock.now()
    }

    private func timeout() -> Int32 {
        if !queuedConsumers.isEmpty || dirtyStreams != 0 { return 0 }
        if isRestless { return 25 }
        if !congested.isEmpty || !ending.isEmpty || !isListening { return 20 }
        return streams.contains { !$0.waitingReads.isEmpty } ? 100 : 1000
    }

    private func handle(_ letter: Mailbox.Letter) {
        switch letter {
        case .stop: isStopping = true
        case .worked(let index, let work): worked(streams[Int(index)], work)
        case .read(let job, let buffer, let outcome): fetched(job, buffer, outcome)
        }
    }

    private func connectionIsReady(_ tag: UInt64, _ ready: UInt32) {
        let slot = Int(tag & 0xFFFF)
        guard slot < connections.count, let connection = connections[slot], connection.identity == tag,
            !connection.isClosed
        else { return }
        if ready & Epoll.writable != 0 {
            connection.isBlocked = false
            markDirty(connection)
        }
        if ready & Epoll.broken != 0, connection.isEnding { return close(connection) }
        if ready & (Epoll.readable | Epoll.broken) != 0, !connection.isEnding {
            if connection.isHeld { return }
            if !arena.hasRoom(carried: connection.carry.count) {
                flushDirty()
                arena.reset()
            }
            receive(connection)
        }
    }

    func connection(identity: UInt64) -> Connection? {
        let slot = Int(identity & 0xFFFF)
        guard slot < connections.count, let connection = connections[slot], connection.identity == identity,
            !connection.isClosed
        else { return nil }
        return connection
    }

    @inline(__always)
    func markDirty(_ connection: Connection) {
        if !connection.isDirty {
            connection.isDirty = true
            dirty.append(connection)
        }
    }

    private func timers() {
        nextTimer = now + Self.timerNanoseconds
        checkStalls()
        if !isListening, now >= listenAgainAt { listenAgain() }
        for connection in connections {
            guard let connection, connection.role == nil, !connection.isEnding,
                now - min(now, connection.acceptedAt) > Self.helloSeconds * 1_000_000_000
            else { continue }
            end(connection, .protocolViolation, "no hello within \(Self.helloSeconds) seconds")
        }
        streamTimers()
        flushDirty()
        if now >= nextStatistics {
            nextStatistics = now + 250_000_000
            publishStatistics()
        }
    }

    func publishStatistics() {
        statistics.bufferedBytes = bufferedBytes
        statistics.congestedConnections = congested.count
        statistics.subscriptions = router.subscriptionCount
        statistics.routeMisses = router.misses
        statistics.streams = streamStatistics()
        mailbox.publish(statistics)
    }

    private func shutDown() {
        Glibc.close(listener)
        finishStreams()
        for connection in connections {
            guard let connection, !connection.isClosed else { continue }
            if !connection.isEnding { connection.failed(0, .shuttingDown, "the bus is shutting down") }
            _ = connection.output.send(to: connection.descriptor)
            close(connection)
        }
        reap()
        Glibc.close(reserve)
        publishStatistics()
    }
}
