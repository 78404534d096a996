// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation
import TestKit

/// What moving the bytes alone costs: lets everybody in and passes the packets of QoS 0 on to all subscribers as they came, without looking at
/// topics. It runs in a process of its own (`bench mqtt-peer <port>`). Without subscribers it only discards.
final class BareRelay {
    private let poll = EventPoll()
    private let input = MQTTConnection.Input()
    private let listener: Int32
    private var connections: [Int: MQTTConnection] = [:]
    private var subscribers: [Int: MQTTConnection] = [:]

    init(port: UInt16) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var one: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0, listen(listener, 1_024) == 0 else {
            throw BenchmarkFailure(description: "listen on \(port): errno \(errno)")
        }
        poll.add(listener, Int(listener), .read)
    }

    func run() -> Never {
        while true {
            poll.wait(-1) { number, _ in
                if number == Int(listener) { accept() } else { serve(number) }
            }
        }
    }

    private func accept() {
        let descriptor = accept_connection(listener, Int32(SOCK_NONBLOCK.rawValue))
        guard descriptor >= 0 else { return }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        connections[Int(descriptor)] = MQTTConnection(descriptor)
        poll.add(descriptor, Int(descriptor), .read)
    }

    private func serve(_ number: Int) {
        guard let connection = connections[number] else { return }
        var answer: [UInt8] = []
        var hasMessages = false
        let packets = connection.receive(input) { head, content in
            switch head {
            case 0x10: answer += [MQTTPacket.connectAcknowledgement, 2, 0, 0]
            case 0x82:
                subscribers[number] = connection
                answer += [MQTTPacket.subscribeAcknowledgement, 3, content[0], content[1], 0]
            case MQTTPacket.publish: hasMessages = true
            default: break
            }
        }
        if !answer.isEmpty { _ = answer.withUnsafeBytes { connection.send($0) } }
        // A client that publishes sends nothing else once it has begun.
        if hasMessages { for subscriber in subscribers.values { deliver(packets, to: subscriber) } }
        guard connection.isOpen else {
            poll.remove(connection.descriptor)
            connections[number] = nil
            subscribers[number] = nil
            return
        }
    }

    /// Waits for a subscriber that does not read: nothing is queued and nothing lost.
    private func deliver(_ packets: UnsafeRawBufferPointer, to subscriber: MQTTConnection) {
        var offset = 0
        while offset < packets.count, subscriber.isOpen {
            let sent = subscriber.send(UnsafeRawBufferPointer(rebasing: packets[offset...]))
            offset += sent
            guard sent == 0, subscriber.isOpen else { continue }
            var wanted = pollfd(fd: subscriber.descriptor, events: Int16(POLLOUT), revents: 0)
            Glibc.poll(&wanted, 1, 1_000)
        }
    }
}

/// The relay's process.
final class BareRelayServer: MQTTServer {
    private let directory: TemporaryDirectory
    private var process: ServiceProcess
    private let port: UInt16

    init() async throws {
        directory = try TemporaryDirectory("bench-relay")
        port = UInt16(try FreePort.next())
        process = try ServiceProcess(
            program: Executables.path("bench"), arguments: ["mqtt-peer", String(port)],
            log: directory.file("relay.log"))
        try await waitUntilServing()
    }

    var broker: MQTTBroker {
        MQTTBroker(
            name: "bare relay", port: port, accounts: [.init(userName: "nobody", password: "nothing")],
            channel: MosquittoServer.channel, members: [.init(name: "relay", process: process)])
    }

    func restart() async throws {
        try await stop()
        process = try process.startAgain()
        try await waitUntilServing()
    }

    func stop() async throws { try await process.terminate() }
}

extension MQTTServer {
    /// Waits until a client is let in.
    func waitUntilServing() async throws {
        guard let member = broker.members.first else { return }
        try await member.process.wait("\(broker.name) lets a client in") {
            (try? MQTTConnector(broker: broker, role: "first").open(1)) != nil
        }
    }
}
