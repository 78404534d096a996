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
    var bufferedBytes = 0
    var statistics = BusStatistics()
    /// Monotonic nanoseconds, read once a tick.
    var now = MonotonicClock.now()
    var nextTimer: UInt64 = 0
    var isStopping = false
    var isMemoryUsed = false

    init(
        configuration: BusConfiguration, roles: RoleTable, listener: Int32, mailbox: Mailbox,
        clock: WallClock, logger: Logger
    ) throws(SystemError) {
        self.configuration = configuration
        self.roles = roles
        self.listener = listener
        self.mailbox = mailbox
        self.logger = logger
        self.clock = clock
        router = Router(policy: Policy(roles: roles))
        epoll = try Epoll()
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard epoll.add(listener, interest: Epoll.readable, tag: Self.listenerTag),
            epoll.add(mailbox.wakeup.descriptor, interest: Epoll.readable, tag: Self.wakeupTag)
        else { throw SystemError("epoll_ctl") }
    }

    /// Serves until told to stop.
    func run() {
        while !isStopping { tick() }
        shutDown()
    }

    func tick() {
        epoll.wait(milliseconds: timeout()) { tag, ready in
            now = MonotonicClock.now()
            switch tag {
            case Self.listenerTag: accept()
            case Self.wakeupTag: mailbox.wakeup.acknowledge()
            default: connectionIsReady(tag, ready)
            }
        }
        now = MonotonicClock.now()
        for letter in mailbox.take() { handle(letter) }
        flushDirty()
        if now >= nextTimer { timers() }
        reap()
    }

    private func timeout() -> Int32 {
        if !congested.isEmpty || !ending.isEmpty || !isListening { return 20 }
        return 1000
    }

    private func handle(_ letter: Mailbox.Letter) {
        switch letter {
        case .stop: isStopping = true
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
            if !arena.hasRoom {
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
        flushDirty()
        publishStatistics()
    }

    func publishStatistics() {
        statistics.bufferedBytes = bufferedBytes
        statistics.congestedConnections = congested.count
        statistics.subscriptions = router.subscriptionCount
        statistics.routeMisses = router.misses
        mailbox.publish(statistics)
    }

    private func shutDown() {
        Glibc.close(listener)
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
