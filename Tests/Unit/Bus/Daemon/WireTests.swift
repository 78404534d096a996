// SPDX-License-Identifier: Apache-2.0
import Bus
import TestKit
import Testing

@testable import BusService

@Suite struct WireTests {
    @Test func aPublishedFrameReachesASubscriberByteForByte() async throws {
        try await withBus { socket, _ in
            let publisher = try WireClient(socket, as: "test")
            let subscriber = try WireClient(socket, as: "test")
            #expect(try subscriber.subscribe(1, "a.*").bytes == [8, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0])
            let frame = Frames.publish("a.b", "payload", headers: [9, 1, 7], token: 0)
            try publisher.send(frame)
            #expect(try subscriber.receive().bytes == frame)
        }
    }

    @Test func aConnectionGetsAMessageOnceAndItsOwnToo() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            try client.subscribe(1, "a.>")
            try client.subscribe(2, "a.b")
            try client.send(Frames.publish("a.b", "x"))
            let frames = try client.flush()
            #expect(frames.map(\.bytes) == [Frames.publish("a.b", "x")])
            try client.send(Frames.control(.unsubscribe, token: 1) + Frames.control(.unsubscribe, token: 2))
            _ = try client.flush()
            try client.send(Frames.publish("a.b", "x"))
            #expect(try client.flush().isEmpty)
        }
    }

    @Test func eachMessageGoesToOneMemberOfAQueueGroupUnderItsSubscription() async throws {
        try await withBus { socket, _ in
            let publisher = try WireClient(socket, as: "test")
            let members = try (0..<2).map { _ in try WireClient(socket, as: "test") }
            for (index, member) in members.enumerated() { try member.subscribe(UInt32(40 + index), "q.*", group: "g") }
            for number in 0..<10 { try publisher.send(Frames.publish("q.x", "\(number)")) }
            _ = try publisher.flush()
            let frames = try members.map { try $0.flush() }
            #expect(frames.map(\.count) == [5, 5])
            for (index, received) in frames.enumerated() {
                #expect(received.allSatisfy { $0.opcode == .queueDelivery && $0.token == UInt32(40 + index) })
            }
            let payloads = Set((frames[0] + frames[1]).map(\.payload))
            #expect(payloads == Set((0..<10).map(String.init)))
        }
    }

    @Test func aRequestIsAnsweredToTheInboxAndOneThatNobodyHearsAtOnce() async throws {
        try await withBus { socket, _ in
            let requester = try WireClient(socket, as: "test")
            let responder = try WireClient(socket, as: "reader-postgres")
            let things = try WireClient(socket, as: "things")
            let inbox = requester.inbox + ".1"
            try requester.send(Frames.publish("rpc.things.identify", "?", reply: inbox))
            let silence = try requester.receive()
            #expect(silence.flags == .noResponders)
            #expect(silence.subject == inbox)
            #expect(silence.payload == "")
            try things.subscribe(1, "rpc.things.>", group: "things")
            try requester.send(Frames.publish("rpc.things.identify", "?", reply: inbox))
            let request = try things.receive()
            #expect(request.opcode == .queueDelivery)
            // Anybody may answer to an inbox, and only to where it leads.
            try responder.send(Frames.publish(inbox, "!"))
            let answer = try requester.receive()
            #expect(answer.payload == "!")
            #expect(answer.flags == [])
            try responder.send(Frames.publish("inbox.0000000000000000.1", "nobody"))
            #expect(try responder.flush().isEmpty)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func framesArriveWholeHoweverTheyAreSplit(_ seed: UInt64) async throws {
        try await withBus { socket, _ in
            let publisher = try WireClient(socket, as: "test")
            let subscriber = try WireClient(socket, as: "test")
            try subscriber.subscribe(1, "a.>")
            var random = SeededGenerator(seed: seed)
            let frames = (0..<60).map { number in
                // Some are longer than what is carried in front of the next read.
                let length = number % 20 == 7 ? 200_000 : Int.random(in: 0..<300, using: &random)
                return Frames.publish("a.\(number % 5)", String(repeating: "\(number % 10)", count: length))
            }
            var bytes = frames.flatMap { $0 }
            while !bytes.isEmpty {
                let part =
                    seed == 1 && bytes.count < 2000 ? 1 : min(bytes.count, Int.random(in: 1...5000, using: &random))
                try publisher.send(Array(bytes[..<part]))
                bytes.removeFirst(part)
            }
            for frame in frames { #expect(try subscriber.receive().bytes == frame) }
        }
    }

    @Test func helloMustComeFirstAndBeUnderstood() async throws {
        try await withBus { socket, _ in
            for (bytes, failure) in [
                (Frames.control(.ping, token: 1), Wire.Failure.protocolViolation),
                (Frames.publish("a.b"), .protocolViolation),
                (Frames.control(.hello, body: Array("{".utf8)), .protocolViolation),
                (Frames.control(.hello, body: Array(#"{"version":2,"name":"test"}"#.utf8)), .protocolViolation),
                (Frames.hello("nobody-knows-me"), .unknownRole),
                (Frames.hello("test") + Frames.hello("test"), .protocolViolation),
            ] {
                let client = try WireClient(socket)
                try client.send(bytes)
                let last = try client.receive { $0.opcode == .failed }.last
                #expect(last?.failure == failure)
                #expect(last?.token == 0)
                #expect(client.isClosed())
            }
        }
    }

    @Test func framesThatCannotBeRightEndTheConnection() async throws {
        try await withBus { socket, daemon in
            let wrong: [[UInt8]] = [
                [3, 0, 0, 0, 1, 0, 0],
                [0xFF, 0xFF, 0xFF, 0xFF],
                [0, 0, 0, 0],
                Array("GET / HTTP/1.1\r\n\r\n".utf8),
                Frames.control(.welcome),
                Frames.bytes(UInt32(8)) + [99, 0, 0, 0, 0, 0, 0, 0],
                // Lengths within that exceed the frame.
                Frames.bytes(UInt32(12)) + [1, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0],
                Frames.control(.subscribe, extra: 100, token: 1, body: [1]),
                Frames.control(.subscribe, extra: 1, token: 0, body: Array("a".utf8)),
                Frames.control(.acknowledge, extra: 9, token: 1, body: Frames.bytes(UInt64(1))),
                Frames.control(.acknowledge, extra: 1, token: 1),
            ]
            for bytes in wrong {
                let client = try WireClient(socket, as: "test")
                try client.send(bytes)
                let frame = try client.receive()
                #expect(frame.opcode == .failed, "\(bytes)")
                #expect(frame.failure == .protocolViolation || frame.failure == .payloadTooLarge, "\(bytes)")
                #expect(client.isClosed(), "\(bytes)")
            }
            let client = try WireClient(socket, as: "test")
            #expect(try client.flush().isEmpty)
            try await eventually("all are counted") {
                daemon.statistics.cutOff.values.reduce(0, +) == UInt64(wrong.count)
            }
        }
    }

    /// Random bytes, and frames with random bytes changed, on many connections: the daemon goes on serving the others.
    @Test(arguments: [21, 22, 23, 24] as [UInt64])
    func garbageNeverBringsTheDaemonDown(_ seed: UInt64) async throws {
        try await withBus { socket, _ in
            var random = SeededGenerator(seed: seed)
            let witness = try WireClient(socket, as: "test")
            try witness.subscribe(1, "witness.>")
            for round in 0..<150 {
                let client = round % 3 == 0 ? try WireClient(socket) : try WireClient(socket, as: "test")
                var bytes: [UInt8] = []
                for _ in 0..<Int.random(in: 1...8, using: &random) {
                    switch Int.random(in: 0..<5, using: &random) {
                    case 0: bytes += Frames.publish("channels.a.b", "payload", token: 3, flags: .durable)
                    case 1: bytes += Frames.subscribe(UInt32.random(in: 0...3, using: &random), "a.*", group: "g")
                    case 2:
                        bytes += Frames.control(
                            Wire.Opcode(rawValue: UInt8.random(in: 16...22, using: &random)) ?? .ping,
                            extra: UInt16.random(in: 0...8, using: &random),
                            token: UInt32.random(in: 0...3, using: &random),
                            body: (0..<Int.random(in: 0...40, using: &random)).map { _ in
                                .random(in: 0...255, using: &random)
                            })
                    case 3:
                        bytes += (0..<Int.random(in: 1...64, using: &random)).map { _ in
                            .random(in: 0...255, using: &random)
                        }
                    default: bytes += Frames.publish("a.b", "x", reply: "inbox.1.2", headers: [1, 200, 3])
                    }
                }
                for _ in 0..<Int.random(in: 0...4, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                _ = client.sendWhatFits(bytes)
            }
            try witness.send(Frames.publish("witness.x", "alive"))
            #expect(try witness.receive().payload == "alive", "seed \(seed)")
        }
    }
}
