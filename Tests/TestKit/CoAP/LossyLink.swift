// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// A bad network between clients and a server: a UDP relay on loopback that loses, repeats and reorders datagrams, each way by its own seeded
/// dice. Clients talk to ``port``; each gets a socket of its own towards the server, so that the server can tell them apart.
///
/// The dice are thrown for one datagram after the other as they come: the same seed and the same order of arrival give the same fate. Print
/// ``description`` in a test that fails.
public final class LossyLink: CustomStringConvertible, Sendable {
    /// What happens to datagrams in one direction, as probabilities from 0 to 1.
    public struct Faults: Sendable {
        public var loss: Double
        public var duplication: Double
        /// How many are held back until the next one (or ``LossyLink/longestDelay``) has passed.
        public var reordering: Double

        public init(loss: Double = 0, duplication: Double = 0, reordering: Double = 0) {
            self.loss = loss
            self.duplication = duplication
            self.reordering = reordering
        }
    }

    /// What has happened so far in one direction.
    public struct Totals: Equatable, Sendable {
        public var received = 0
        public var lost = 0
        public var duplicated = 0
        public var reordered = 0
        /// Datagrams sent on.
        public var delivered = 0

        public init(received: Int = 0, delivered: Int = 0) {
            self.received = received
            self.delivered = delivered
        }
    }

    /// A datagram that was held back goes on after this even when none comes behind it.
    public static let longestDelay: Duration = .milliseconds(20)

    public let seed: UInt64
    /// Where clients send to.
    public let port: Int
    private let server: Int
    private let front: UDPSocket
    private let towardsServer: Direction
    private let towardsClients: Direction
    private let sockets = Mutex<[Int: UDPSocket]>([:])
    private let isStopped = Atomic(false)

    /// - Parameters:
    ///   - server: the server's port.
    ///   - seed: nil: a new one.
    public init(to server: Int, seed: UInt64? = nil, towardsServer: Faults, towardsClients: Faults) throws {
        let seed = seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        self.seed = seed
        self.server = server
        front = try UDPSocket()
        port = front.port
        self.towardsServer = Direction(towardsServer, seed: seed)
        self.towardsClients = Direction(towardsClients, seed: ~seed)
    }

    /// Begins to pass datagrams on, on threads of its own, until ``stop()``.
    public func start() {
        print(self)
        Thread.detachNewThread { self.relayToServer() }
    }

    public func stop() { isStopped.store(true, ordering: .releasing) }

    /// A further fault, or none, from now on.
    public func change(towardsServer: Faults, towardsClients: Faults) {
        self.towardsServer.change(towardsServer)
        self.towardsClients.change(towardsClients)
    }

    public var totalsTowardsServer: Totals { towardsServer.totals }
    public var totalsTowardsClients: Totals { towardsClients.totals }

    public var description: String {
        "lossy link, seed \(seed): to the server \(totalsTowardsServer), to clients \(totalsTowardsClients)"
    }

    // MARK: Threads

    private var goesOn: Bool { !isStopped.load(ordering: .acquiring) }

    private func relayToServer() {
        while goesOn {
            let datagram = try? front.receive(within: Self.longestDelay)
            if let datagram, let socket = socket(of: datagram.port) {
                towardsServer.pass(datagram.bytes) { try? socket.send($0) }
            } else {
                towardsServer.release()
            }
        }
    }

    /// The client's socket towards the server, made with its first datagram.
    private func socket(of client: Int) -> UDPSocket? {
        let (socket, isNew): (UDPSocket?, Bool) = sockets.withLock { sockets in
            if let socket = sockets[client] { return (socket, false) }
            sockets[client] = try? UDPSocket(to: server)
            return (sockets[client], true)
        }
        if let socket, isNew { Thread.detachNewThread { self.relayToClient(client, from: socket) } }
        return socket
    }

    private func relayToClient(_ client: Int, from socket: UDPSocket) {
        while goesOn {
            if let datagram = try? socket.receive(within: Self.longestDelay) {
                towardsClients.pass(datagram.bytes) { try? self.front.send($0, to: client) }
            } else {
                towardsClients.release()
            }
        }
    }
}

/// The dice of one direction, and what is held back.
private final class Direction: Sendable {
    private struct State {
        var faults: LossyLink.Faults
        var dice: Dice
        var totals = LossyLink.Totals()
        /// Sends the datagrams that were held back.
        var held: [@Sendable () -> Void] = []
    }

    private let state: Mutex<State>

    init(_ faults: LossyLink.Faults, seed: UInt64) {
        state = Mutex(State(faults: faults, dice: Dice(state: seed)))
    }

    var totals: LossyLink.Totals { state.withLock { $0.totals } }

    func change(_ faults: LossyLink.Faults) { state.withLock { $0.faults = faults } }

    func pass(_ bytes: [UInt8], _ send: @escaping @Sendable ([UInt8]) -> Void) {
        let due: [@Sendable () -> Void] = state.withLock { state in
            state.totals.received += 1
            // All three are thrown each time, so that one fault's probability does not change the others' luck.
            let (loss, duplication, reordering) = (state.dice.next(), state.dice.next(), state.dice.next())
            let earlier = state.held
            guard loss >= state.faults.loss else {
                state.totals.lost += 1
                state.held = []
                return earlier
            }
            var copies = 1
            if duplication < state.faults.duplication {
                state.totals.duplicated += 1
                copies = 2
            }
            state.totals.delivered += copies
            let own = [@Sendable () -> Void](repeating: { send(bytes) }, count: copies)
            guard reordering < state.faults.reordering else {
                state.held = []
                return own + earlier
            }
            state.totals.reordered += 1
            state.held = own
            return earlier
        }
        for send in due { send() }
    }

    /// Nothing came for a while: what was held back goes.
    func release() {
        let due = state.withLock { state in
            defer { state.held = [] }
            return state.held
        }
        for send in due { send() }
    }
}

/// SplitMix64, as fractions from 0 to below 1.
private struct Dice {
    var state: UInt64

    mutating func next() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return Double((mixed ^ mixed >> 31) >> 11) * 0x1p-53
    }
}
