// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// A client that comes back while messages come for it.
@Suite(.serialized) struct ReturningTests {
    /// What is published while what waited is brought back from the store comes on the same connection, in its order.
    @Test(arguments: ProtocolVersion.allCases)
    func nothingIsLeftInTheStore(version: ProtocolVersion) async throws {
        try await withMQTT { stack in
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            let first = try await stack.client(
                stack.things.listener, "sleeper", version: version, cleanStart: false, expiry: 3_600)
            try await first.subscribe(stack.topic())
            try await first.disconnect()
            var number = 0
            for round in 0..<60 {
                number += 1
                try await publisher.publishAndWait(stack.topic(), "\(number)")
                let client = try await MQTTClient.connect(port: stack.port, version: version)
                try await client.send(
                    .connect(
                        stack.connect(
                            stack.things.listener, "sleeper", version: version, cleanStart: false, expiry: 3_600)))
                // Before, while and after the store is asked, as it happens.
                for _ in 0..<(round % 6) {
                    number += 1
                    try await publisher.publishAndWait(stack.topic(), "\(number)")
                }
                var received = number - 1 - round % 6
                while received < number {
                    switch try await client.next() {
                    case .publish(let message):
                        received += 1
                        #expect(String(buffer: message.payload) == "\(received)")
                        try await answer(message, by: client)
                    case .connAck: break
                    case let packet: throw MQTTClient.Unexpected(packet: packet)
                    }
                }
                // Acknowledged before the connection ends, so that nothing is sent again.
                try await client.send(.pingRequest)
                #expect(try await client.next() == .pingResponse)
                try await client.disconnect()
            }
        }
    }
}
