// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Identity
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// What operators see of clients, and do to them.
@Suite(.serialized) struct OperatorsTests {
    private struct Page: Decodable {
        let total: Int
        let nextCursor: String?
        let clients: [Client]
    }

    private struct Client: Decodable {
        struct Amount: Decodable {
            let messages: Int
            let bytes: Int
        }
        struct Subscription: Decodable, Equatable {
            let filter: String
            let qos: Int
        }
        let client: String
        let thingId: String
        let domainId: String
        let state: String
        let version: String
        let listener: String?
        let address: String?
        let connectedAt: String?
        let disconnectedAt: String?
        let expiresAt: String?
        let subscriptionCount: Int
        let subscriptions: [Subscription]?
        let queue: Amount
        let store: Amount
        let inFlight: Int
        let receivedBytes: Int?
        let sentBytes: Int?
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ answer: HTTPClient.Response) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(answer.body))
    }

    private func page(_ person: HTTPClient, _ query: String = "") async throws -> Page {
        let answer = try await person.get("/clients?limit=100&" + query)
        #expect(answer.status == 200, "\(answer.text)")
        return try Self.decode(Page.self, answer)
    }

    @Test func clientsAreListed() async throws {
        try await withOperators { stack, users in
            let things = stack.things
            let first = try await stack.client(things.publisher, "a")
            let second = try await stack.client(things.listener, "b", version: .v311)
            let sleeper = try await stack.client(things.listener, "sleeper", expiry: 3_600)
            try await sleeper.subscribe(stack.topic("#"), "channels/+/messages/x")
            try await sleeper.disconnect()
            try await first.publishAndWait(stack.topic(), "waits")
            let person = try await users.person(.viewer, in: things.domain, at: stack)
            try await eventually("it waits in the store") {
                try await page(person, "state=kept").clients.first?.store.messages == 1
            }
            let all = try await page(person)
            #expect(all.total == 3)
            #expect(all.clients.map(\.state).sorted() == ["connected", "connected", "kept"])
            #expect(Set(all.clients.map(\.domainId)) == [things.domain.description])
            let one = try #require(all.clients.first { $0.client == "a" })
            #expect(one.thingId == things.publisher.id.description)
            #expect(one.version == "5" && one.listener == "tcp")
            #expect(one.address?.hasPrefix("127.0.0.1:") == true)
            #expect(one.connectedAt != nil && one.disconnectedAt == nil)
            // CONNECT and one PUBLISH came; CONNACK and PUBACK went.
            #expect(one.receivedBytes ?? 0 > 100 && one.sentBytes ?? 0 > 10)
            #expect(all.clients.first { $0.client == "b" }?.version == "3.1.1")
            let kept = try #require(all.clients.first { $0.client == "sleeper" })
            #expect(kept.disconnectedAt != nil && kept.expiresAt != nil && kept.listener == nil)
            #expect(kept.subscriptionCount == 2 && kept.subscriptions == nil)
            #expect(kept.store.bytes > 0)
            // Filters.
            #expect(try await page(person, "thing=\(things.listener.id)").total == 2)
            #expect(try await page(person, "state=connected").total == 2)
            #expect(try await page(person, "listener=tls").total == 0)
            #expect(try await page(person, "domain_id=\(DomainID.new())").total == 0)
            // Page by page, each once.
            var names: [String] = []
            var cursor = ""
            for _ in 0..<3 {
                let answer = try Self.decode(Page.self, await person.get("/clients?limit=1" + cursor))
                names += answer.clients.map(\.client)
                cursor = answer.nextCursor.map { "&cursor=\($0)" } ?? ""
            }
            #expect(names.sorted() == ["a", "b", "sleeper"] && cursor.isEmpty)
            #expect(try await page(person, "offset=2").clients.count == 1)
            // One of them.
            let answer = try await person.get("/clients/\(things.listener.id)/sleeper")
            let found = try Self.decode(Client.self, answer)
            #expect(
                found.subscriptions
                    == [
                        Client.Subscription(filter: "channels/+/messages/x", qos: 2),
                        Client.Subscription(filter: stack.topic("#"), qos: 2),
                    ].sorted { $0.filter < $1.filter })
            try await second.disconnect()
        }
    }

    /// One that came by WebSocket through a proxy on this machine.
    @Test(arguments: ["203.0.113.9", "2001:db8::7"])
    func aProxySaysWhereAClientIs(address: String) async throws {
        try await withOperators { stack, users in
            let person = try await users.person(.viewer, in: stack.things.domain, at: stack)
            var packet = ByteBuffer()
            Packet.connect(stack.connect(stack.things.publisher, "behind")).encode(into: &packet, version: .v5)
            try #require(packet.readableBytes < 126)
            // A binary frame, masked with zeros (RFC 6455 section 5.2).
            let frame = [0x82, 0x80 | UInt8(packet.readableBytes), 0, 0, 0, 0] + Array(packet.readableBytesView)
            let open = try await wire(port: stack.webSocketPort) { connection in
                try connection.send(
                    """
                    GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    Sec-WebSocket-Protocol: mqtt\r\nX-Forwarded-For: 198.51.100.1, \(address)\r\n\r\n
                    """)
                #expect(try connection.readResponse().status == 101)
                try connection.send(frame)
                // CONNACK in a frame.
                #expect(try connection.read(3).last == 0x20)
                return connection
            }
            let found = try await page(person, "listener=websocket").clients
            #expect(found.map(\.client) == ["behind"] && found.first?.address == address)
            withExtendedLifetime(open) {}
        }
    }

    @Test func whoMayAsk() async throws {
        try await withOperators { stack, users in
            let client = try await stack.client(stack.things.publisher, "a")
            let path = "/clients/\(stack.things.publisher.id)/a"
            let nobody = HTTPClient(port: stack.httpPort)
            #expect(try await nobody.get("/clients").status == 401)
            #expect(try await nobody.send("DELETE", path).status == 401)
            #expect(try await nobody.get("/health").status == 200)
            let viewer = try await users.person(.viewer, in: stack.things.domain, at: stack)
            #expect(try await viewer.send("DELETE", path).status == 403)
            let stranger = try await users.person(.admin, in: .new(), at: stack)
            #expect(try await page(stranger).total == 0)
            #expect(try await page(stranger, "domain_id=\(stack.things.domain)").total == 0)
            #expect(try await stranger.get(path).status == 404)
            #expect(try await stranger.send("DELETE", path).status == 404)
            let outsider = try await users.person(.none, in: stack.things.domain, at: stack)
            #expect(try await outsider.get("/clients").status == 403)
            let operating = try await users.person(.none, in: .new(), at: stack, isPlatformAdmin: true)
            #expect(try await page(operating, "thing=\(stack.things.publisher.id)").total == 1)
            #expect(try await viewer.get("/clients/\(stack.things.publisher.id)/nobody").status == 404)
            #expect(try await viewer.get("/clients/x/a").status == 400)
            #expect(try await viewer.get("/clients?cursor=x").status == 400)
            #expect(try await viewer.get("/clients?state=x").status == 400)
            try await client.send(.pingRequest)
            #expect(try await client.next() == .pingResponse)
        }
    }

    @Test func anOperatorEndsAConnection() async throws {
        try await withOperators { stack, users in
            let user = UserID.new()
            let person = try await users.person(.editor, in: stack.things.domain, at: stack, user: user)
            let thing = stack.things.listener.id
            // Any text is an identifier.
            let client = try await stack.client(stack.things.listener, "hall 2/sensor%7", expiry: 3_600)
            try await client.subscribe(stack.topic())
            let path = "/clients/\(thing)/hall%202%2Fsensor%257"
            #expect(try await person.get(path).status == 200)
            #expect(try await person.send("DELETE", path).status == 204)
            guard case .disconnect(let end) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(end.reason == .administrativeAction)
            try await client.waitUntilClosed()
            let line = #"martlet_mqtt_connections_ended_total{listener="tcp",reason="administrative action"}"#
            #expect(try await stack.metric(line) == 1)
            // The session is still there, and goes when it is to.
            let again = try await person.send("DELETE", path)
            #expect(again.status == 404 && again.problem?.reason == "not-connected")
            let back = try await stack.client(
                stack.things.listener, "hall 2/sensor%7", cleanStart: false, expiry: 3_600)
            #expect(back.isSessionPresent)
            #expect(try await person.send("DELETE", path + "?session=true").status == 204)
            try await back.waitUntilClosed()
            #expect(try await person.get(path).status == 404)
            let fresh = try await stack.client(
                stack.things.listener, "hall 2/sensor%7", cleanStart: false, expiry: 3_600)
            #expect(!fresh.isSessionPresent)
            // Who did it is for the journal.
            try await eventually("it is announced") {
                let entries = try await stack.observer.read(stream: Streams.events, from: 1, maximumBytes: 1 << 20)
                let events = entries.compactMap {
                    try? JSONDecoder().decode(EntityEvent.self, from: Data($0.payload.readableBytesView))
                }.filter { $0.service == "mqtt-adapter" }
                return events.map(\.what) == ["disconnected", "session-ended"]
                    && events.allSatisfy { $0.actor == user && $0.thing == thing && $0.origin != nil }
            }
        }
    }
}
