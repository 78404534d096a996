// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore
import TestKit
import Testing

extension CoAPStack {
    /// A GET with Observe.
    func observe(
        _ subtopic: [String] = [], value: UInt8 = 0, accept: UInt8? = nil, key: String? = nil, token: [UInt8]? = nil
    ) -> CoAPMessage {
        var message = CoAPMessage(
            .confirmable, CoAPMessage.get, path: path(subtopic), query: ["auth=\(key ?? things.listener.key)"])
        if let token { message.token = token }
        message.options.append((6, value == 0 ? [] : [value]))
        if let accept { message.options.append((17, [accept])) }
        return message
    }
}

extension CoAPClient {
    /// The next notification, acknowledged where that is wanted.
    func notification() async throws -> CoAPMessage {
        while true {
            guard let message = try await receive() else {
                throw DeadlineExceeded("a notification", after: .seconds(20))
            }
            if message.kind == .confirmable { send(message.acknowledgement) }
            if message.code != 0 { return message }
        }
    }
}

@Suite("CoAP adapter: observing")
struct ObserveTests {
    @Test("An observer is notified of what every protocol publishes, in order, with its token")
    func notified() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let request = stack.observe()
            let answer = try await client.exchange(request)
            #expect(answer.codeText == "2.05")
            #expect(answer.kind == .acknowledgement)
            let first = try #require(answer.uint(6))
            try await stack.publish(#"[{"n":"t","v":1}]"#, "a", contentType: .senmlJSON)
            let other = try CoAPClient(port: stack.port)
            #expect(
                try await other.exchange(stack.post(#"[{"n":"t","v":2}]"#, ["b", "c"], format: 110)).codeText == "2.04")
            var last = first
            for (index, text) in [#"[{"n":"t","v":1}]"#, #"[{"n":"t","v":2}]"#].enumerated() {
                let notification = try await client.notification()
                #expect(notification.codeText == "2.05")
                #expect(notification.token == request.token)
                #expect(notification.text == text)
                #expect(notification.uint(12) == 110)
                // The first shows whether anybody is there.
                #expect(notification.kind == (index == 0 ? .confirmable : .nonConfirmable))
                let number = try #require(notification.uint(6))
                #expect(number > last)
                last = number
            }
            #expect(try await stack.metric("martlet_coap_observers") == 1)
            #expect(try await stack.metric("martlet_coap_notifications_total") == 2)
        }
    }

    @Test("A subtopic, and wildcards for levels of it", arguments: ["exactly", "+", "#"])
    func subtopics(which: String) async throws {
        try await withCoAP { stack in
            let filter = ["exactly": ["a", "b"], "+": ["a", "+"], "#": ["a", "#"]][which] ?? []
            let client = try CoAPClient(port: stack.port)
            #expect(try await client.exchange(stack.observe(filter)).codeText == "2.05")
            for subtopic in ["", "a", "a.b", "a.c", "a.b.c", "x.b", "a.b"] {
                try await stack.publish(subtopic, subtopic)
            }
            let expected = [
                "exactly": ["a.b", "a.b"], "+": ["a.b", "a.c", "a.b"], "#": ["a", "a.b", "a.c", "a.b.c", "a.b"],
            ]
            for text in try #require(expected[which]) { #expect(try await client.notification().text == text) }
        }
    }

    @Test("A client that observes no more, or resets a notification, gets nothing any more")
    func ends() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let request = stack.observe()
            #expect(try await client.exchange(request).uint(6) != nil)
            let cancel = try await client.exchange(stack.observe(value: 1, token: request.token))
            // Nothing is stored yet.
            #expect(cancel.codeText == "4.04")
            #expect(cancel.option(6) == nil)
            #expect(try await stack.metric(#"martlet_coap_observations_ended_total{reason="deregistered"}"#) == 1)
            // The same token again is another observation in the place of the one before.
            let again = stack.observe()
            _ = try await client.exchange(again)
            _ = try await client.exchange(stack.observe(token: again.token))
            #expect(try await stack.metric("martlet_coap_observers") == 1)
            try await stack.publish("a")
            let notification = try #require(try await client.receive())
            #expect(notification.kind == .confirmable)
            client.send(notification.reset)
            try await eventually("the observer is gone") { try await stack.metric("martlet_coap_observers") == 0 }
            #expect(try await stack.metric(#"martlet_coap_observations_ended_total{reason="reset"}"#) == 1)
            #expect(try await stack.metric(#"martlet_coap_observations_ended_total{reason="replaced"}"#) == 1)
            try await stack.publish("b")
            // Whatever had been sent would have come before this.
            let post = stack.post("c")
            #expect(try await client.exchange(post).token == post.token)
        }
    }

    @Test("A right that is taken back ends the observation with words, and without Observe")
    func revoked() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let other = try CoAPClient(port: stack.port)
            #expect(try await client.exchange(stack.observe()).codeText == "2.05")
            #expect(
                try await other.exchange(stack.observe(key: stack.things.publisher.key)).codeText == "2.05")
            try await stack.things.disconnect(stack.things.listener)
            let end = try await client.notification()
            #expect(end.codeText == "4.03")
            #expect(end.kind == .confirmable)
            #expect(end.option(6) == nil)
            #expect(end.text == "The thing is no longer connected to this channel.")
            try await stack.things.disablePublisher()
            #expect(try await other.notification().codeText == "4.01")
            #expect(try await stack.metric(#"martlet_coap_observations_ended_total{reason="revoked"}"#) == 2)
            #expect(try await stack.metric("martlet_coap_observers") == 0)
        }
    }

    @Test("Who may not is told so, and who wants another format")
    func refused() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            #expect(try await client.exchange(stack.observe(key: stack.things.sender.key)).codeText == "4.03")
            #expect(try await client.exchange(stack.observe(key: "nobody")).codeText == "4.01")
            let accept = try await client.exchange(stack.observe(accept: 41))
            #expect(accept.codeText == "4.06")
            #expect(try await client.exchange(stack.observe(["a+"])).codeText == "4.00")
            #expect(try await stack.metric("martlet_coap_observers") == 0)
            // Bytes can be had of everything; of what is no SenML no SenML.
            let bytes = stack.observe(accept: 42)
            let senml = stack.observe(accept: 110)
            _ = try await client.exchange(bytes)
            let second = try CoAPClient(port: stack.port)
            _ = try await second.exchange(senml)
            try await stack.publish("{}", contentType: .json)
            try await stack.publish("[]", contentType: .senmlJSON)
            let first = try await client.notification()
            #expect(first.text == "{}")
            #expect(first.uint(12) == 42)
            #expect(try await second.notification().text == "[]")
            #expect(try await stack.metric(#"martlet_coap_dropped_total{reason="format"}"#) == 1)
        }
    }

    @Test("More than an observer may get: the newest is sent, the others are counted")
    func pace() async throws {
        try await withCoAP(["observer-messages-per-second": "5"]) { stack in
            let client = try CoAPClient(port: stack.port)
            _ = try await client.exchange(stack.observe())
            for number in 0..<100 { try await stack.publish("\(number)") }
            var texts: [String] = []
            while texts.last != "99" { texts.append(try await client.notification().text) }
            #expect(texts.prefix(5) == ["0", "1", "2", "3", "4"])
            let dropped = try await stack.metric(#"martlet_coap_dropped_total{reason="pace"}"#)
            #expect(Int(dropped) == 100 - texts.count)
            #expect(dropped > 0)
        }
    }

    @Test("libcoap's clients observe over UDP and TCP", arguments: [("coap", "notls"), ("coap+tcp", "openssl")])
    func libcoapClients(scheme: String, variant: String) async throws {
        try await withCoAP { stack in
            let port = scheme == "coap" ? stack.port : stack.tcpPort
            let client = Task {
                try await stack.coapClient(variant, ["-s", "5", "-w", stack.uri(scheme, "a", port: port)])
            }
            try await eventually("it observes") { try await stack.metric("martlet_coap_observers") == 1 }
            try await stack.publish("value 0", "a")
            // Until its address is known to receive, only the newest is kept for it.
            try await eventually("it is notified") {
                try await stack.metric("martlet_coap_notifications_total") == 1
            }
            for number in 1..<5 { try await stack.publish("value \(number)", "a") }
            let output = try await client.value
            for number in 0..<5 { #expect(output.contains("value \(number)"), "\(output)") }
            try await eventually("it is gone") { try await stack.metric("martlet_coap_observers") == 0 }
        }
    }

    @Test("Observers go on when the bus was killed and comes back")
    func busKilled() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            _ = try await client.exchange(stack.observe())
            try await stack.publish("before")
            #expect(try await client.notification().text == "before")
            await stack.bus.kill()
            try stack.startBusAgain()
            try await eventually("the bus takes messages again") { (try? await stack.publish("after")) != nil }
            #expect(try await client.notification().text == "after")
        }
    }

    @Test("When the bus has lost its log, observers are told to register anew, and get what is numbered anew")
    func lostLog() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            _ = try await client.exchange(stack.observe())
            try await stack.publish("before")
            #expect(try await client.notification().text == "before")
            await stack.bus.kill()
            try FileManager.default.removeItem(atPath: stack.directory.file("bus"))
            try stack.startBusAgain()
            let end = try await client.notification()
            #expect(end.codeText == "5.03")
            #expect(end.uint(6) == nil)
            // As long as those who answer for it have not found the bus again, it is told to come later.
            try await eventually("it observes again") {
                let code = try await client.exchange(stack.observe()).codeText
                #expect(["2.05", "5.03"].contains(code))
                return code == "2.05"
            }
            try await eventually("the bus takes messages again") { (try? await stack.publish("after")) != nil }
            #expect(try await client.notification().text == "after")
        }
    }
}
