// SPDX-License-Identifier: Apache-2.0
import Bus
import Testing

@testable import BusService

@Suite struct PermissionTests {
    @Test func aRoleDoesOnlyWhatItLists() async throws {
        try await withBus { socket, daemon in
            let reader = try WireClient(socket, as: "reader-postgres")
            let operatorClient = try WireClient(socket, as: "martlet")
            try operatorClient.subscribe(1, ">")
            #expect(try reader.subscribe(1, "channels.>").failure == .permissionDenied)
            #expect(try reader.subscribe(2, ">").failure == .permissionDenied)
            #expect(try reader.subscribe(3, "events.>").opcode == .done)
            try reader.send(Frames.publish("channels.x", "forged"))
            try reader.send(Frames.publish("channels.x", "forged", token: 9, flags: .durable))
            let refusal = try reader.receive()
            #expect(refusal.opcode == .refused)
            #expect(refusal.failure == .permissionDenied)
            #expect(refusal.token == 9)
            #expect(try operatorClient.flush().isEmpty)
            #expect(try reader.consume(5, "messages", consumer()).failure == .permissionDenied)
            let declared = try reader.command(
                .declareStream, StreamConfiguration(name: "x", subjects: ["x.>"], maximumBytes: 8 << 20))
            #expect(declared.failure == .permissionDenied)
            #expect(try reader.command(.statistics, [String]()).failure == .permissionDenied)
            #expect(try operatorClient.command(.statistics, [String]()).opcode == .done)
            _ = daemon
        }
    }

    @Test func inboxesAreTheirOwnersAlone() async throws {
        try await withBus { socket, _ in
            let owner = try WireClient(socket, as: "things")
            let spy = try WireClient(socket, as: "martlet")
            try spy.subscribe(1, ">")
            #expect(try spy.subscribe(2, "inbox.>").failure == .permissionDenied)
            #expect(try spy.subscribe(3, owner.inbox + ".*").failure == .permissionDenied)
            #expect(try spy.subscribe(4, spy.inbox + ".*").opcode == .done)
            try owner.send(Frames.publish(owner.inbox + ".5", "secret"))
            #expect(try owner.receive().payload == "secret")
            #expect(try spy.flush().isEmpty)
        }
    }

    @Test func aReplySubjectThatTheRoleMayNotPublishToIsRefused() async throws {
        try await withBus { socket, _ in
            let adapter = try WireClient(socket, as: "http-adapter")
            let things = try WireClient(socket, as: "things")
            try things.subscribe(1, "rpc.things.>")
            // Otherwise the responder would publish an event in the adapter's place.
            try adapter.send(Frames.publish("rpc.things.identify", "?", reply: "events.things.thing.removed"))
            try adapter.send(Frames.publish("rpc.things.identify", "?", reply: "channels.answers"))
            _ = try adapter.flush()
            #expect(try things.flush().map(\.bytes).count == 1)
        }
    }

    @Test func aTestRoleExistsOnlyWhenConfigured() async throws {
        try await withBus(Adjustment { $0.allowsTestRole = false }) { socket, _ in
            let client = try WireClient(socket)
            try client.send(Frames.hello("test"))
            #expect(try client.receive().failure == .unknownRole)
        }
    }
}
