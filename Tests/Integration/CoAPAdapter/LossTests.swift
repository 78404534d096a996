// SPDX-License-Identifier: Apache-2.0
import TestKit
import Testing

@Suite("CoAP adapter: a network that loses messages")
struct LossTests {
    @Test("With 30 % lost, repeated and reordered both ways, every confirmable message is stored exactly once")
    func exactlyOnce() async throws {
        try await withCoAP { stack in
            let faults = LossyLink.Faults(loss: 0.3, duplication: 0.1, reordering: 0.1)
            let link = try LossyLink(to: stack.port, towardsServer: faults, towardsClients: faults)
            link.start()
            defer { link.stop() }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for client in 0..<8 {
                    group.addTask {
                        let socket = try CoAPClient(port: link.port)
                        for number in 0..<25 {
                            try await send(stack.post("\(client)-\(number)", ["loss"]), socket)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let texts = try await stack.storedTexts("loss")
            #expect(texts.count == 200, "\(link)")
            #expect(Set(texts).count == 200, "\(link)")
            #expect(try await stack.metric("martlet_coap_retransmissions_total") > 0)
        }
    }

    /// As a client does, only sooner: again and again until there is an answer.
    private func send(_ message: CoAPMessage, _ socket: CoAPClient) async throws {
        var isAnswered = false
        for _ in 0..<200 where !isAnswered {
            socket.send(message)
            while let answer = try await socket.receive(timeout: .milliseconds(150)) {
                if answer.kind == .confirmable { socket.send(answer.acknowledgement) }
                guard answer.token == message.token, answer.code != 0 else { continue }
                #expect(answer.codeText == "2.04")
                isAnswered = true
                break
            }
        }
        #expect(isAnswered)
    }
}
