// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import TestKit
import Testing

/// `things/<id>/…`, which no service serves yet.
@Suite(.serialized) struct ReservedTopicsTests {
    @Test func aThingIsToldThatNobodyServesItsOwn() async throws {
        try await withMQTT { stack in
            let (own, other) = (stack.things.publisher.id, stack.things.listener.id)
            let client = try await stack.client(stack.things.publisher, "client")
            #expect(try await client.publishAndWait("things/\(own)/twin/reported", "x") == .implementationSpecificError)
            #expect(try await client.publishAndWait("things/\(other)/twin/reported", "x") == .notAuthorized)
            #expect(try await client.publishAndWait("things/x/twin", "x") == .notAuthorized)
            #expect(try await client.publishAndWait("things", "x") == .topicNameInvalid)
            var packet = Subscribe(packetIdentifier: 5, requests: [])
            for filter in [
                "things/\(own)/commands/#", "things/\(own)", "things/\(other)/#", "things/+/twin", "things/#",
                "$share/g/things/\(own)/#",
            ] {
                packet.requests.append(Subscribe.Request(try TopicFilter(filter), SubscriptionOptions()))
            }
            try await client.send(.subscribe(packet))
            guard case .subAck(let answer) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(
                answer.reasons == [
                    .implementationSpecificError, .implementationSpecificError, .notAuthorized, .notAuthorized,
                    .notAuthorized, .implementationSpecificError,
                ])
            #expect(answer.properties.reasonString?.contains("no service for twins") == true)
            #expect(try await stack.metric(#"martlet_mqtt_refused_total{reason="no-control-plane"}"#) == 1)
            let line = #"martlet_mqtt_refused_total{reason="control-plane-of-another-thing"}"#
            #expect(try await stack.metric(line) == 2)
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test func inTheOlderVersionToo() async throws {
        try await withMQTT { stack in
            let topic = "things/\(stack.things.publisher.id)/twin/reported"
            let client = try await stack.client(stack.things.publisher, "client", version: .v311)
            #expect(try await client.subscribe(topic) == [.unspecifiedError])
            try await client.publish(topic, "dropped")
            try await client.send(.pingRequest)
            #expect(try await client.next() == .pingResponse)
            try await client.publish(topic, "refused", qos: .atLeastOnce, identifier: 1)
            try await client.waitUntilClosed()
            #expect(try await stack.metric(#"martlet_mqtt_refused_total{reason="no-control-plane"}"#) == 2)
        }
    }
}
