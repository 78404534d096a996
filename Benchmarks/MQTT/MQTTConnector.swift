// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation

/// Opens connections to a broker, each with its own client identifier and an account, and waits until the broker has let them in.
struct MQTTConnector {
    /// Of connections that are being opened at a time: below Mosquitto's listen backlog of 100, beyond which a connection waits a second.
    private static let concurrency = 64
    /// Numbers fit a client's ephemeral ports many times over when connections come from so many addresses: 127.0.0.2 and on.
    private static let addresses = 8
    private static let deadline = Duration.seconds(120)

    let broker: MQTTBroker
    /// Begins the client identifiers.
    let role: String
    /// Whether sessions end with their connections.
    var isClean = true

    /// - Throws: when one is refused, or when they are not all open within two minutes.
    func open(_ count: Int) throws -> [MQTTConnection] {
        let poll = EventPoll()
        let input = MQTTConnection.Input()
        var connections: [MQTTConnection] = []
        connections.reserveCapacity(count)
        var isGreeted = [Bool](repeating: false, count: count)
        var accepted = 0
        var problem: String?
        let end = ContinuousClock.now + Self.deadline
        while accepted < count {
            while connections.count < count, connections.count - accepted < Self.concurrency {
                let connection = try connect(connections.count)
                poll.add(connection.descriptor, connections.count, [.read, .write])
                connections.append(connection)
            }
            poll.wait(100) { number, ready in
                let connection = connections[number]
                if ready.contains(.write), !isGreeted[number] {
                    isGreeted[number] = true
                    poll.change(connection.descriptor, number, .read)
                    let account = broker.accounts[number % broker.accounts.count]
                    let packet = MQTTPacket.connect("\(role)-\(number)", account, isClean: isClean)
                    if packet.withUnsafeBytes({ connection.send($0) }) < packet.count {
                        problem = "the socket of a new connection is full"
                    }
                }
                guard ready.contains(.read) else { return }
                connection.receive(input) { head, content in
                    if head == MQTTPacket.connectAcknowledgement, content.count == 2, content[1] == 0 {
                        accepted += 1
                        poll.remove(connection.descriptor)
                    } else {
                        problem = "a connection was refused: \(head) \(Array(content))"
                    }
                }
                if !connection.isOpen { problem = "a connection was cut off before it was accepted" }
            }
            if let problem { throw BenchmarkFailure(description: "\(broker.name): \(problem)") }
            guard ContinuousClock.now < end else {
                throw BenchmarkFailure(description: "\(broker.name): only \(accepted) of \(count) connections opened")
            }
        }
        return connections
    }

    /// Subscribes all to the broker's channel and waits for what it says.
    func subscribe(_ connections: [MQTTConnection], qualityOfService: UInt8) throws {
        let packet = MQTTPacket.subscribe(broker.filter, qualityOfService: qualityOfService)
        let input = MQTTConnection.Input()
        for connection in connections {
            var granted: UInt8?
            _ = packet.withUnsafeBytes { connection.send($0) }
            while granted == nil, connection.isOpen {
                var wanted = pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0)
                guard Glibc.poll(&wanted, 1, 10_000) == 1 else { break }
                connection.receive(input) { head, content in
                    if head == MQTTPacket.subscribeAcknowledgement { granted = content.last }
                }
            }
            guard granted == qualityOfService else {
                let answer = granted.map { String($0) } ?? "nothing"
                throw BenchmarkFailure(description: "\(broker.name): a subscription was answered by \(answer)")
            }
        }
    }

    func connect(_ number: Int) throws -> MQTTConnection {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw BenchmarkFailure(description: "socket: errno \(errno)") }
        let connection = MQTTConnection(descriptor)
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, size)
        // The port is chosen by connect, when the peer is known: otherwise a port is taken from all peers.
        setsockopt(descriptor, Int32(IPPROTO_IP), Self.bindWithoutPort, &one, size)
        let source = UInt32(0x7F00_0002) + UInt32(number % Self.addresses)
        guard Self.withAddress(source, 0, { bind(descriptor, $0, $1) }) == 0 else {
            throw BenchmarkFailure(description: "bind: errno \(errno)")
        }
        let status = Self.withAddress(INADDR_LOOPBACK, broker.port) { Glibc.connect(descriptor, $0, $1) }
        guard status == 0 || errno == EINPROGRESS else {
            throw BenchmarkFailure(description: "connect to \(broker.name): errno \(errno)")
        }
        return connection
    }

    /// IP_BIND_ADDRESS_NO_PORT of `linux/in.h`, which Swift's Glibc module leaves out.
    private static let bindWithoutPort: Int32 = 24

    private static func withAddress(
        _ host: UInt32, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = host.bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
