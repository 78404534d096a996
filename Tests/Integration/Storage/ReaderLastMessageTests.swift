// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import TestKit
import Testing

/// The last message over the bus, through the real writer and reader.
@Suite struct ReaderLastMessageTests {
    @Test func anAdapterIsGivenTheLastMessage() async throws {
        let scene = try await ReaderScene.make()
        let adapter = try await connect("coap-adapter", scene)
        let reader = ReaderClient(bus: adapter)
        #expect(try await reader.lastMessage(channel: scene.channel, subtopic: nil) == nil)
        try await scene.publish(#"[{"n":"t","u":"Cel","v":21.5,"t":1700000001}]"#, subtopic: "hall.2", storing: 1)
        let created = ReaderScene.start * 1_000_000_000
        let stored = try #require(try await reader.lastMessage(channel: scene.channel, subtopic: "hall.2"))
        #expect(stored.created == created && stored.contentType == .senmlJSON)
        #expect(String(buffer: stored.payload) == #"[{"n":"t","u":"Cel","t":1700000001,"v":21.5}]"#)
        #expect(try await reader.lastMessage(channel: scene.channel, subtopic: nil) == nil)

        // Larger than one message of the bus in base64: in parts.
        let large = String(repeating: "0123456789", count: 100_000)
        try await scene.publish(large, .other("text/plain"), storing: 1)
        let last = try #require(try await reader.lastMessage(channel: scene.channel, subtopic: nil))
        #expect(last.contentType == .other("text/plain") && last.sequence > stored.sequence)
        #expect(String(buffer: last.payload) == large)

        await #expect {
            try await adapter.call(
                Subjects.lastMessage, LastMessageRequest(channel: scene.channel, subtopic: nil, offset: -1),
                returning: LastMessageResponse.self)
        } throws: { ($0 as? ServiceError)?.reason == "invalid-offset" }
        #expect(
            try await scene.stack.metric("reader-postgres", #"martlet_reader_last_messages_total{outcome="none"}"#) == 2
        )
        // Once, and twice for the two parts.
        #expect(
            try await scene.stack.metric("reader-postgres", #"martlet_reader_last_messages_total{outcome="found"}"#)
                == 3)
        #expect(
            try await scene.stack.metric(
                "reader-postgres", #"martlet_reader_last_messages_total{outcome="invalid-offset"}"#)
                == 1)

        try await checkRoles(scene)
        // Without a reader it says so, at once.
        try await scene.stack.process("reader-postgres").terminate()
        await #expect {
            try await reader.lastMessage(channel: scene.channel, subtopic: nil)
        } throws: { ($0 as? ServiceError)?.kind == .unavailable }
        await adapter.close()
        try await scene.stop()
    }

    /// Whose role does not say so is not answered.
    private func checkRoles(_ scene: ReaderScene) async throws {
        for role in ["http-adapter", "mqtt-adapter", "mqtt-bridge", "things"] {
            let bus = try await connect(role, scene)
            await #expect(throws: ServiceError.self, "\(role)") {
                try await ReaderClient(bus: bus, timeout: .seconds(2)).lastMessage(
                    channel: scene.channel, subtopic: nil)
            }
            await bus.close()
        }
    }

    private func connect(_ role: String, _ scene: ReaderScene) async throws -> SocketBus {
        let bus = SocketBus.connect(
            SocketBusConfiguration(path: scene.stack.directory.file("bus.sock"), name: role),
            logger: Logger(label: "reader-test"))
        try await bus.waitUntilConnected(timeout: .seconds(60))
        return bus
    }
}
