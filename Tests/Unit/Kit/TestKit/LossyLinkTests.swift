// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

/// The tests' own bad network.
@Suite struct LossyLinkTests {
    /// A server that says back what it hears, until it hears `end`.
    private func echo(_ server: UDPSocket) {
        Thread.detachNewThread {
            while let datagram = try? server.receive(), datagram.bytes != Array("end".utf8) {
                try? server.send(datagram.bytes, to: datagram.port)
            }
        }
    }

    /// Sends `count` numbered datagrams, one by one, and returns what came back, as long as something comes.
    private func numbersBack(_ count: Int, through port: Int, end: Int) async throws -> [Int] {
        try await udp(port: port) { client in
            var numbers: [Int] = []
            for number in 0..<count {
                try client.send([UInt8(number >> 8), UInt8(number & 255)])
                // So that one arrives after the other; not waited for what may be lost.
                if let datagram = try client.receive(within: .milliseconds(2)) {
                    numbers.append(Self.number(datagram.bytes))
                }
            }
            while let datagram = try client.receive(within: .milliseconds(500)) {
                numbers.append(Self.number(datagram.bytes))
            }
            try UDPSocket(to: end).send(Array("end".utf8))
            return numbers
        }
    }

    private static func number(_ bytes: [UInt8]) -> Int { bytes.count == 2 ? Int(bytes[0]) << 8 | Int(bytes[1]) : -1 }

    @Test func aGoodLinkPassesEverythingInOrder() async throws {
        let server = try UDPSocket()
        echo(server)
        let link = try LossyLink(to: server.port, seed: 1, towardsServer: .init(), towardsClients: .init())
        link.start()
        defer { link.stop() }
        #expect(try await numbersBack(100, through: link.port, end: server.port) == Array(0..<100))
        #expect(link.totalsTowardsServer == .init(received: 100, delivered: 100))
        #expect(link.totalsTowardsClients == .init(received: 100, delivered: 100))
    }

    @Test func aBadLinkLosesRepeatsAndReorders() async throws {
        let server = try UDPSocket()
        echo(server)
        let faults = LossyLink.Faults(loss: 0.3, duplication: 0.2, reordering: 0.2)
        let link = try LossyLink(to: server.port, seed: 2, towardsServer: faults, towardsClients: .init())
        link.start()
        defer { link.stop() }
        let numbers = try await numbersBack(500, through: link.port, end: server.port)
        let totals = link.totalsTowardsServer
        #expect(totals.received == 500)
        // Within five standard deviations of what the dice promise.
        #expect((100...200).contains(totals.lost), "\(link)")
        #expect((30...115).contains(totals.duplicated), "\(link)")
        #expect((30...115).contains(totals.reordered), "\(link)")
        #expect(totals.delivered == 500 - totals.lost + totals.duplicated)
        // What was delivered is what came back, and nothing else.
        #expect(numbers.count == totals.delivered, "\(link)")
        #expect(Set(numbers).count == 500 - totals.lost, "\(link)")
        #expect(numbers != numbers.sorted(), "\(link)")
    }

    @Test func theSameSeedHasTheSameFate() async throws {
        var fates: [LossyLink.Totals] = []
        for seed in [3, 3, 4] as [UInt64] {
            let server = try UDPSocket()
            echo(server)
            let link = try LossyLink(
                to: server.port, seed: seed, towardsServer: .init(loss: 0.5, duplication: 0.5), towardsClients: .init())
            link.start()
            _ = try await numbersBack(200, through: link.port, end: server.port)
            link.stop()
            fates.append(link.totalsTowardsServer)
        }
        #expect(fates[0] == fates[1])
        #expect(fates[0] != fates[2])
    }

    @Test func clientsAreToldApart() async throws {
        let server = try UDPSocket()
        echo(server)
        let link = try LossyLink(to: server.port, towardsServer: .init(), towardsClients: .init())
        link.start()
        defer { link.stop() }
        let port = link.port
        for client in 0..<5 {
            let back = try await udp(port: port) { socket in
                try socket.send([UInt8(client)])
                return try socket.receive()?.bytes
            }
            #expect(back == [UInt8(client)])
        }
        try UDPSocket(to: server.port).send(Array("end".utf8))
    }
}
