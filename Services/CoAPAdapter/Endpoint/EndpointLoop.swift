// SPDX-License-Identifier: Apache-2.0
import CCoAP
import Core
import DequeModule
import Glibc
import Logging
import NIOCore

/// The thread of an ``Endpoint``: the only one that touches the library's context.
///
/// It waits on the library's own epoll descriptor, with the inbox's beside it. Requests are copied out of the library, which is told not to answer them
/// itself; answers are messages of our own, so that an acknowledgement can wait for what it carries.
final class EndpointLoop {
    /// Events of one wait.
    static let batch = 64
    private static let tickNanoseconds: UInt64 = 1_000_000_000

    let configuration: EndpointConfiguration
    let inbox: EndpointInbox
    let logger: Logger
    var handler: (any EndpointHandler)?

    let context: OpaquePointer
    var exchanges: [ExchangeID: Exchange] = [:]
    var observations: [ObservationID: Observation] = [:]
    var observationsByToken: [ObservationKey: ObservationID] = [:]
    var observationsBySession: [UInt64: Set<ObservationID>] = [:]
    /// What was sent to a connection that it has not said to have taken. The library keeps what a socket does not take, without a limit.
    var untaken: [UInt64: Untaken] = [:]
    var untakenBytes = 0
    /// Connections that are ended when the library is done with what it is at. Each is referenced.
    var condemned: [OpaquePointer] = []
    var connections: [UInt64: PeerAddress.Network] = [:]
    var connectionsByNetwork: [PeerAddress.Network: Int] = [:]
    var exchangeBytes = 0
    /// What was shown in the handshake of a session.
    var proofs: [UInt64: SecureProof] = [:]
    var resumed = ResumedSessions()
    let securityMemory = SecurityMemory()
    var memory: ExchangeMemory
    /// Confirmable requests in the order in which they came; those that are answered are passed over.
    var unacknowledged: Deque<(exchange: ExchangeID, dueAt: UInt64)> = []
    /// The UDP sockets of plain CoAP and of DTLS.
    var plainPort: GuardedPort?
    var securePort: GuardedPort?
    /// Handshakes that a network has begun and not ended.
    var handshakes: AddressBuckets
    private var lastNumber: UInt64 = 0
    private var lastTick: UInt64 = 0

    /// - Throws: when the library or the system refuses a listener.
    init(_ configuration: EndpointConfiguration, inbox: EndpointInbox, logger: Logger) throws(EndpointError) {
        self.configuration = configuration
        self.inbox = inbox
        self.logger = logger
        memory = ExchangeMemory(
            maximumEntries: configuration.maximumRememberedMessages, maximumBytes: configuration.maximumRememberedBytes)
        handshakes = AddressBuckets(
            perSecond: Double(configuration.maximumHandshakes) / 4 / Self.handshakeSeconds,
            burst: Double(configuration.maximumHandshakes) / 4)
        EndpointLibrary.start()
        guard let context = coap_new_context(nil) else { throw EndpointError("libcoap has no memory") }
        self.context = context
        do throws(EndpointError) {
            try setUp()
        } catch {
            coap_free_context(context)
            throw error
        }
    }

    /// Frees the library's context, which may call back until it is gone. Once, when ``run()`` has returned.
    func close() {
        for observation in observations.values { coap_session_release(observation.session) }
        for exchange in exchanges.values { coap_session_release(exchange.session) }
        for session in condemned { coap_session_release(session) }
        observations = [:]
        observationsByToken = [:]
        observationsBySession = [:]
        exchanges = [:]
        coap_set_app_data(context, nil)
        coap_free_context(context)
    }

    /// Monotonic nanoseconds.
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// For exchanges, observations and sessions alike.
    func nextNumber() -> UInt64 {
        lastNumber &+= 1
        return lastNumber
    }

    /// Runs until ``EndpointInbox/stop()``.
    func run() {
        let descriptor = coap_context_get_coap_fd(context)
        var wake = epoll_event()
        wake.events = EPOLLIN.rawValue
        // The library's events point to its sockets, its timer's is null; ours is none of these.
        let mark = UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)
        defer { mark.deallocate() }
        wake.data.ptr = mark
        guard descriptor >= 0, epoll_ctl(descriptor, EPOLL_CTL_ADD, inbox.descriptor, &wake) == 0 else {
            logger.error("the endpoint cannot wait for events", metadata: ["errno": "\(errno)"])
            return
        }
        // Arms the library's timer.
        _ = coap_io_process(context, UInt32.max)
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Self.batch + 2 * GuardedPort.maximumBurst)
        defer { events.deallocate() }
        while !inbox.isStopping {
            let count = Int(max(0, epoll_wait(descriptor, events, Int32(Self.batch), timeoutMilliseconds())))
            var kept = 0
            for index in 0..<count {
                if events[index].data.ptr == mark {
                    inbox.acknowledgeWakes()
                } else {
                    events[kept] = events[index]
                    kept += 1
                }
            }
            if kept > 0 { process(events, kept) }
            for job in inbox.takeJobs() { job() }
            endCondemned()
            lookAtDeadlines(Self.now())
        }
    }

    private func timeoutMilliseconds() -> Int32 {
        let now = Self.now()
        var next = lastTick &+ Self.tickNanoseconds
        if let first = unacknowledged.first { next = min(next, first.dueAt) }
        if let deadline = handler?.deadline { next = min(next, deadline) }
        for port in ports { if let deadline = port.deadline { next = min(next, deadline) } }
        guard next > now else { return 0 }
        // Rounded up, so that it is due when the wait is over.
        return Int32(clamping: (next - now) / 1_000_000 + 1)
    }

    private func lookAtDeadlines(_ now: UInt64) {
        while let first = unacknowledged.first {
            if exchanges[first.exchange]?.isAcknowledged == false {
                guard first.dueAt <= now else { break }
                acknowledge(first.exchange)
            }
            unacknowledged.removeFirst()
        }
        if let deadline = handler?.deadline, deadline <= now { handler?.deadlineReached(now: now) }
        for port in ports { if let deadline = port.deadline, deadline <= now { port.deadlineReached(now) } }
        guard lastTick &+ Self.tickNanoseconds <= now else { return }
        lastTick = now
        memory.expire(now)
        for port in ports { handler?.kernelDropped(port.takeDropped()) }
        handler?.tick(now: now)
    }
}

/// The library as such, once in the process and before any other call.
enum EndpointLibrary {
    private static let started: Void = {
        coap_startup()
        // What it has to say of single messages is ours to count; a Reset is an alert to it.
        coap_set_log_level(LOG_EMERG)
        coap_dtls_set_log_level(LOG_EMERG)
    }()

    static func start() { started }
}
