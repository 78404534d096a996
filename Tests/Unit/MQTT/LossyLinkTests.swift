// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import TestKit
import Testing

/// A sender and a receiver over a link that breaks at any time and loses what is under way.
@Suite struct LossyLinkTests {
    private enum Frame {
        case publish(UInt16, QualityOfService, Int)
        case release(UInt16)
        case answer(PublishReceiver.Answer)
        case complete(UInt16)
    }

    @Test(
        "[MQTT-4.3.2-3] [MQTT-4.3.3-10] [MQTT-4.4.0-1] QoS 1 comes at least once, QoS 2 exactly once, in order",
        arguments: UInt64(1)...20)
    func delivers(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var sender = PublishSender<Int>()
        var receiver = PublishReceiver(receiveMaximum: 8)
        var forward: [Frame] = []
        var back: [Frame] = []
        var next = 0
        var delivered: [Int] = []
        var unsettled: [(UInt64, UInt16)] = []
        let total = 400
        sender.connected(receiveMaximum: 8)
        var steps = 0
        while next < total || !sender.inFlight.isEmpty {
            steps += 1
            guard steps < 200_000 else {
                Issue.record("seed \(seed): no progress")
                return
            }
            switch Int.random(in: 0..<60, using: &random) {
            case 0:
                forward = []
                back = []
                sender.disconnected()
                receiver.disconnected()
                sender.connected(receiveMaximum: Int.random(in: 1...8, using: &random))
            case 1..<20:
                if let resend = sender.nextResend() {
                    switch resend {
                    case .publish(let id, let qos, let message): forward.append(.publish(id, qos, message))
                    case .release(let id): forward.append(.release(id))
                    }
                } else if next < total {
                    let qos: QualityOfService = next.isMultiple(of: 2) ? .exactlyOnce : .atLeastOnce
                    if let id = sender.accepted(next, qos: qos) {
                        forward.append(.publish(id, qos, next))
                        next += 1
                    }
                }
            case 20..<35:
                guard !forward.isEmpty else { continue }
                switch forward.removeFirst() {
                case .publish(let id, let qos, let message):
                    if case .new(let ticket) = try receiver.published(id, qos: qos) {
                        delivered.append(message)
                        unsettled.append((ticket, id))
                    }
                case .release(let id):
                    _ = receiver.released(id)
                    back.append(.complete(id))
                default: Issue.record("a frame goes the wrong way")
                }
            case 35..<48:
                // Messages are settled in any order, some after their connection has gone.
                if let index = unsettled.indices.randomElement(using: &random) {
                    let (ticket, id) = unsettled.remove(at: index)
                    receiver.settled(ticket: ticket, id)
                }
                while let answer = receiver.nextAnswer() { back.append(.answer(answer)) }
            default:
                guard !back.isEmpty else { continue }
                switch back.removeFirst() {
                case .answer(let answer) where answer.type == .pubAck:
                    _ = sender.acknowledged(answer.packetIdentifier)
                case .answer(let answer):
                    if case .release = sender.received(answer.packetIdentifier) {
                        forward.append(.release(answer.packetIdentifier))
                    }
                case .complete(let id): _ = sender.completed(id)
                default: Issue.record("a frame goes the wrong way")
                }
            }
        }
        let once = delivered.filter { $0.isMultiple(of: 2) }
        #expect(once == Array(stride(from: 0, to: total, by: 2)))
        var seen = Set<Int>()
        let firsts = delivered.filter { seen.insert($0).inserted }
        #expect(firsts.filter { !$0.isMultiple(of: 2) } == Array(stride(from: 1, to: total, by: 2)))
    }
}
