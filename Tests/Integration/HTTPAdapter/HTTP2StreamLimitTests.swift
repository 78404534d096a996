// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore
import NIOHPACK
import TestKit
import Testing

/// How many streams a connection of HTTP/2 may have, and what becomes of one more.
@Suite struct HTTP2StreamLimitTests {
    private static let allowed = 128
    private static let refusedStream = 7
    private static let enhanceYourCalm = 11

    /// The identifier of a client's stream by its number, from 0.
    private static func stream(_ number: Int) -> UInt32 { UInt32(number * 2 + 1) }

    private func events(_ stack: AdapterStack) -> HPACKHeaders {
        ["authorization": "Thing \(stack.things.listener.key)", "accept": "text/event-stream"]
    }

    /// Reads the stream to a message's event.
    private static func read(_ client: HTTP2Client, _ stream: UInt32, to sequence: UInt64) throws {
        var text = ""
        while !text.contains("id: \(sequence)\ndata: ") || !text.hasSuffix("\n\n") {
            let frame = try client.next(stream)
            guard frame.type == HTTP2Client.data else {
                throw RawConnection.Failure.endedBefore("message \(sequence)", received: "\(frame)")
            }
            text += String(decoding: frame.payload, as: UTF8.self)
        }
    }

    @Test("one too many is refused and counted, the others go on, and its place is free again when one ends")
    func tooMany() async throws {
        try await withAdapter { stack in
            let path = stack.path
            let fields = events(stack)
            let (client, announced, codes) = try await stack.http2 { client in
                let announced = try client.announced()
                try client.open(window: 1 << 30, 0)
                for number in 0..<Self.allowed {
                    try client.request(Self.stream(number), path, fields, method: "GET")
                    let head = try client.head(Self.stream(number))
                    guard head.first(name: ":status") == "200" else {
                        throw RawConnection.Failure.endedBefore("200 of stream \(number)", received: "\(head)")
                    }
                }
                var codes: [Int] = []
                for number in Self.allowed..<(Self.allowed + 10) {
                    try client.request(Self.stream(number), path, fields, method: "GET")
                    codes.append(try client.next(Self.stream(number)).errorCode)
                }
                return (client, announced, codes)
            }
            // SETTINGS_MAX_CONCURRENT_STREAMS
            #expect(announced[3] == UInt32(Self.allowed))
            #expect(codes == Array(repeating: Self.refusedStream, count: 10))
            #expect(stack.refused("too-many-streams") == 10)
            #expect(stack.refused("http2-connection") == 0)

            let first = try await stack.publish(body: "to all")
            try await wire(client) { client in
                for number in 0..<Self.allowed { try Self.read(client, Self.stream(number), to: first) }
                // CANCEL
                try client.send(HTTP2Client.reset, 0, Self.stream(0), [0, 0, 0, 8])
                let next = Self.stream(Self.allowed + 10)
                try client.request(next, path, fields, method: "GET")
                let head = try client.head(next)
                guard head.first(name: ":status") == "200" else {
                    throw RawConnection.Failure.endedBefore("200 in the freed place", received: "\(head)")
                }
            }
            let second = try await stack.publish(body: "to all again")
            try await wire(client) { client in
                for number in (1..<Self.allowed) + [Self.allowed + 10] {
                    try Self.read(client, Self.stream(number), to: second)
                }
            }
            #expect(stack.refused("too-many-streams") == 10)
        }
    }

    @Test("all at once: as many as are allowed are served, and what was refused can be sent again")
    func burst() async throws {
        try await withAdapter { stack in
            let path = stack.path
            let fields: HPACKHeaders = [
                "authorization": "Thing \(stack.things.publisher.key)", "content-type": "text/plain",
            ]
            let ends = try await stack.http2 { client in
                // Acknowledged before the first stream: until then NIO has a limit of its own.
                try client.roundTrip()
                let numbers = 0..<(Self.allowed + 50)
                // Open, so that none of them ends before the last has begun.
                for number in numbers {
                    try client.request(Self.stream(number), path, fields, isOpen: true)
                }
                for number in 0..<Self.allowed {
                    try client.send(
                        HTTP2Client.data, HTTP2Client.endStream, Self.stream(number), Array("\(number)".utf8))
                }
                var ends: [String] = []
                for number in numbers {
                    let frame = try client.next(Self.stream(number))
                    ends.append(frame.type == HTTP2Client.reset ? "refused \(frame.errorCode)" : "answered")
                }
                return ends
            }
            #expect(ends.prefix(Self.allowed).allSatisfy { $0 == "answered" })
            #expect(ends.dropFirst(Self.allowed).allSatisfy { $0 == "refused \(Self.refusedStream)" })
            #expect(stack.refused("too-many-streams") == 50)
            let bodies = try await stack.stored().map { String(buffer: $0.message.payload) }
            #expect(Set(bodies) == Set((0..<Self.allowed).map { "\($0)" }))
        }
    }

    @Test("one who keeps opening streams that are refused loses the connection, and nobody else notices")
    func flood() async throws {
        try await withAdapter { stack in
            let path = stack.path
            let fields = events(stack)
            let bystander = try await stack.events()
            let goAway = try await stack.http2 { client in
                try client.roundTrip()
                // The server may close while we are still sending.
                do {
                    for number in 0..<5_000 { try client.request(Self.stream(number), path, fields, method: "GET") }
                } catch RawConnection.Failure.broken {}
                return client.readToGoAway()
            }
            #expect(goAway?.errorCode == Self.enhanceYourCalm)
            #expect(stack.refused("too-many-streams") > 256)
            #expect(stack.refused("http2-connection") == 1)
            let sequence = try await stack.publish(body: "after the flood")
            #expect(try await wire(bystander) { try $0.next()?.id } == String(sequence))
        }
    }
}
