// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// Retained messages (MQTT 5 section 3.3.1.3).
@Suite(.serialized, .sharedStack()) struct RetainTests {
    @Test(
        "a filter twice in one SUBSCRIBE is as two SUBSCRIBE", arguments: [(0, 0, 2), (1, 1, 1), (1, 2, 1), (2, 1, 0)])
    func twice(first: UInt8, second: UInt8, times: Int) async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher")
        try await publisher.publishAndWait(scene.topic(), "kept", retain: true)
        let client = try await scene.client("listener")
        let topic = Raw.text(scene.topic())
        try await client.send(bytes: Raw.packet(0x82, [0, 1, 0], topic, [first << 4], topic, [second << 4]))
        guard case .subAck(let answer) = try await client.next() else { throw MQTTClient.Closed() }
        #expect(answer.reasons == [.success, .success])
        for _ in 0..<times { #expect(try await client.nextText() == "kept") }
        try await client.expectSilence()
    }
}
