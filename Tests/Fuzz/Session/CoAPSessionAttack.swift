// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// Datagrams and frames of many clients, most of them changed at random, and in between requests that have to be served rightly.
package struct CoAPSessionAttack: Sendable {
    package struct Ports: Sendable {
        package let udp: Int
        package let tcp: Int
        package let dtls: Int
        package let tls: Int

        package init(udp: Int, tcp: Int, dtls: Int, tls: Int) {
            self.udp = udp
            self.tcp = tcp
            self.dtls = dtls
            self.tls = tls
        }
    }

    package struct Totals: CustomStringConvertible, Sendable {
        package var conversations = 0
        package var messages = 0
        package var bytes = 0
        package var answers = 0
        package var controlRequests = 0

        package var description: String {
            "\(conversations) conversations, \(messages) messages of \(bytes) bytes, \(answers) answers; between them \(controlRequests) requests served"
        }
    }

    /// Conversations from one control request to the next: less than a socket's receive buffer holds.
    private static let interval = 32
    private static let sockets = 64
    private static let retransmissions = 10

    private let ports: Ports
    private let samples: [MalformedCoAP]
    private let requests: [CoAPDatagram]
    private let controlPath: String

    /// - Parameter key: of a thing that may publish to the channel and read it.
    package init(_ ports: Ports, channel: String, key: String) throws {
        self.ports = ports
        samples = try MalformedCoAP.all(channel: channel, key: key)
        let path = "/channels/\(channel)/messages/fuzz"
        controlPath = "/channels/\(channel)/messages/control?auth=\(key)"
        requests = CoAPGenerator.seeds.map { seed in
            var request = CoAPDatagram.request(seed.kind, seed.code, path + "?auth=\(key)", messageID: 0)
            request.options += seed.options.filter {
                $0.number != CoAPDatagram.Number.uriPath && $0.number != CoAPDatagram.Number.uriQuery
            }
            request.payload = seed.payload
            return request
        }
    }

    /// - Throws: ``AttackFailure`` when a good request was not answered rightly.
    package func run(conversations: Int, seed: UInt64) async throws -> Totals {
        try await wire(self) { try $0.attack(conversations, seed) }
    }

    private func attack(_ conversations: Int, _ seed: UInt64) throws -> Totals {
        var random = SeededRandom(seed: seed)
        var totals = Totals()
        let control = try UDPSocket(to: ports.udp, host: 0x7F00_0001)
        var clients = try (0..<Self.sockets).map { try UDPSocket(to: ports.udp, host: 0x7F00_0002 + UInt32($0 % 32)) }
        let secure = try UDPSocket(to: ports.dtls)
        for number in 0..<conversations {
            totals.conversations += 1
            let place = random.below(clients.count)
            // Another port is another peer.
            if random.oneIn(16) {
                clients[place] = try UDPSocket(to: ports.udp, host: 0x7F00_0002 + UInt32(place % 32))
            }
            switch random.below(32) {
            case 0: try talk(ports.tcp, random.oneIn(8) ? nil : [0, 0xE1], &random, &totals)
            case 1: try talk(ports.tls, nil, &random, &totals)
            case 2: try send(datagram(&random, "dtls"), secure, &totals)
            default:
                for _ in 0...random.below(4) { try send(datagram(&random, "udp"), clients[place], &totals) }
                try answer(clients[place], &random, &totals)
            }
            guard number % Self.interval == Self.interval - 1 else { continue }
            try serve(
                control, UInt16(truncatingIfNeeded: totals.controlRequests), "seed \(seed), conversation \(number)")
            totals.controlRequests += 1
        }
        return totals
    }

    // MARK: What is sent

    private func datagram(_ random: inout SeededRandom, _ transport: String) -> [UInt8] {
        let mutator = Mutator(dictionary: CoAPTarget().dictionary)
        let fitting = samples.filter { $0.transport == transport }
        guard transport == "udp", !random.oneIn(3) else {
            var bytes = random.pick(fitting).bytes
            if !random.oneIn(4) { mutator.mutate(&bytes, with: random.pick(fitting).bytes, using: &random) }
            return bytes
        }
        var request = CoAPGenerator.change(random.pick(requests), &random)
        // An observer is notified of what others publish.
        if random.oneIn(8) { request.options.append(.init(CoAPDatagram.Number.observe, UInt32(random.below(2)))) }
        var bytes = request.bytes
        if random.oneIn(2) { mutator.mutate(&bytes, with: random.pick(fitting).bytes, using: &random) }
        return bytes
    }

    private func send(_ bytes: [UInt8], _ socket: UDPSocket, _ totals: inout Totals) throws {
        try socket.send(Array(bytes.prefix(UDPSocket.maximumBytes)))
        totals.messages += 1
        totals.bytes += bytes.count
    }

    /// Reads what is there, and acknowledges or resets what is confirmable, or not.
    private func answer(_ socket: UDPSocket, _ random: inout SeededRandom, _ totals: inout Totals) throws {
        while let (bytes, _) = try socket.receive(within: .zero) {
            totals.answers += 1
            guard bytes.count >= 4, bytes[0] >> 4 & 3 == CoAPDatagram.Kind.confirmable.rawValue, !random.oneIn(4) else {
                continue
            }
            let isReset = bytes[1] == 0 || random.oneIn(8)
            try socket.send([isReset ? 0x70 : 0x60, 0, bytes[2], bytes[3]])
        }
    }

    private func talk(_ port: Int, _ opening: [UInt8]?, _ random: inout SeededRandom, _ totals: inout Totals) throws {
        let connection = try RawConnection(port: port)
        var bytes = opening ?? []
        let mutator = Mutator(dictionary: CoAPTarget().dictionary)
        let fitting = samples.filter { $0.transport == "tcp" || $0.transport == "tls" }
        for _ in 0...random.below(4) {
            var frame = random.oneIn(2) ? random.pick(fitting).bytes : Self.frame(random.pick(requests))
            if random.oneIn(2) { mutator.mutate(&frame, with: random.pick(fitting).bytes, using: &random) }
            bytes += frame
        }
        totals.messages += 1
        totals.bytes += bytes.count
        // The server may have closed it by then.
        for part in [bytes.prefix(bytes.count / 2), bytes.dropFirst(bytes.count / 2)] {
            try? connection.send(Array(part))
        }
    }

    /// As over TCP (RFC 8323 section 3.2).
    private static func frame(_ request: CoAPDatagram) -> [UInt8] {
        let bytes = request.bytes
        let rest = bytes.dropFirst(4 + request.token.count)
        let token = UInt8(request.token.count)
        let head: [UInt8]
        switch rest.count {
        case ..<13: head = [UInt8(rest.count) << 4 | token]
        case ..<269: head = [0xD0 | token, UInt8(rest.count - 13)]
        default:
            let length = rest.count - 269
            head = [0xE0 | token, UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)]
        }
        return head + [request.code.rawValue] + request.token + rest
    }

    // MARK: What has to be served

    private func serve(_ socket: UDPSocket, _ number: UInt16, _ place: String) throws {
        let request = CoAPDatagram.request(
            .confirmable, .post, controlPath, messageID: number,
            token: [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)], payload: Array("control".utf8))
        for _ in 0..<Self.retransmissions {
            try socket.send(request)
            // RFC 7252 section 4.8: ACK_TIMEOUT.
            while let message = try socket.receiveMessage(within: .seconds(2)) {
                if message.kind == .confirmable {
                    try socket.send(
                        CoAPDatagram(
                            message.code == .empty ? .reset : .acknowledgement, .empty, messageID: message.messageID))
                }
                guard message.token == request.token, message.code != .empty else { continue }
                guard message.code == .changed else {
                    throw AttackFailure(
                        description: "\(place): a good request was answered \(message.code): \(message.text)")
                }
                return
            }
        }
        throw AttackFailure(description: "\(place): a good request was not answered")
    }
}
