// SPDX-License-Identifier: Apache-2.0
import CCoAP
import Logging

// The UDP sockets, which one address must not take for itself.
extension EndpointLoop {
    /// COAP_PARTIAL_SESSION_TIMEOUT: how long the library keeps a handshake that does not go on.
    static let handshakeSeconds = 30.0
    /// How long a network is not listened to that begins more handshakes than it ends.
    private static let handshakePauseNanoseconds: UInt64 = 5_000_000_000

    var ports: [GuardedPort] { [plainPort, securePort].compactMap { $0 } }

    /// Finds the sockets of the listeners that are open.
    func findPorts() {
        let securePorts = Set(configuration.listeners.filter { $0.transport == .dtls }.map(\.port))
        for port in DatagramPort.all(watchedBy: coap_context_get_coap_fd(context), securePorts: securePorts) {
            if port.isSecure { securePort = GuardedPort(port) } else { plainPort = GuardedPort(port) }
        }
    }

    /// Lets the library read what is there: of a UDP socket one datagram for each event, so that one which is ready again and again gets several.
    func process(_ events: UnsafeMutablePointer<epoll_event>, _ count: Int) {
        var total = count
        for port in ports {
            let event = (0..<count).first { events[$0].data.ptr == port.port.mark }
            port.waited(isReady: event != nil)
            guard let event, events[event].events & EPOLLIN.rawValue != 0 else { continue }
            for _ in 1..<max(1, port.burst) {
                events[total] = events[event]
                total += 1
            }
            lookForFlood(port)
        }
        coap_io_do_epoll(context, events, total)
    }

    private func lookForFlood(_ port: GuardedPort) {
        for network in port.look(Self.now()) { handler?.ignoring(network) }
    }

    func port(of transport: CoAPTransport) -> GuardedPort? {
        switch transport {
        case .udp: plainPort
        case .dtls: securePort
        case .tcp, .tls: nil
        }
    }

    /// Somebody begins a handshake: those that are not ended must leave room for others'.
    func handshakeBegan(_ session: OpaquePointer) {
        guard let address = coap_session_get_addr_remote(session) else { return }
        let network = PeerAddress(address.pointee).network
        let now = Self.now()
        guard !handshakes.draw(network, now: now) else { return }
        securePort?.ignore(network, for: Self.handshakePauseNanoseconds, now: now)
        handler?.ignoring(network)
    }

    func handshakeEnded(_ session: OpaquePointer) {
        guard let address = coap_session_get_addr_remote(session) else { return }
        handshakes.giveBack(PeerAddress(address.pointee).network)
    }
}
