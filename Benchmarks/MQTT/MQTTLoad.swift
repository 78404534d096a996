// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Publishers and subscribers of one broker, as fast as it goes, all on the calling thread: a broker that uses one core has the other one.
struct MQTTLoad {
    struct Shape: Sendable {
        let qualityOfService: UInt8
        let publishers: Int
        let subscribers: Int
        /// QoS 0: messages of one write. QoS 1: messages that a publisher has unacknowledged at a time.
        let batch: Int
        let payloadBytes: Int

        var name: String {
            let ends = "\(publishers.formatted())→\(subscribers), \(payloadBytes) B"
            switch (qualityOfService, batch) {
            case (0, 1): return "\(ends), one a write"
            case (0, _): return "\(ends), \(batch) a write"
            case (_, 1): return "\(ends), one at a time"
            default: return "\(ends), window \(batch)"
            }
        }
    }

    struct Outcome {
        var published = 0
        var acknowledged = 0
        var delivered = 0
        /// Deliveries if nothing is lost.
        var expected = 0
        var cutOff = 0
        /// From the first publish to the last delivery or acknowledgement.
        var seconds = 0.0
        /// Of each of the broker's processes.
        var processorSeconds: [Double] = []
        /// Processor time of the load generator, of the same time: near 1 the generator is what limits.
        var generatorShare = 0.0
    }

    /// So long without a delivery or an acknowledgement, once nobody publishes any more, means that what is missing is lost.
    private static let quiet = Duration.seconds(1)
    /// A broker that still works on what it was given is stopped looking at then, and the rest counts as lost.
    private static let drainLimit = Duration.seconds(20)

    let shape: Shape
    let broker: MQTTBroker
    private let poll = EventPoll()
    private let input = MQTTConnection.Input()

    init(_ shape: Shape, _ broker: MQTTBroker) {
        self.shape = shape
        self.broker = broker
    }

    /// Publishes for so many seconds, then waits until everything has arrived, or nothing more does.
    func run(seconds: Double) throws -> Outcome {
        let subscribers = try open(shape.subscribers, "subscriber").map { MQTTSubscriber($0) }
        let subscriptions = MQTTConnector(broker: broker, role: "")
        try subscriptions.subscribe(subscribers.map(\.connection), qualityOfService: shape.qualityOfService)
        let publishers = try open(shape.publishers, "publisher").enumerated().map { number, connection in
            MQTTPublisher(connection, topic: broker.topic(publisher: number), shape: shape)
        }
        for (number, publisher) in publishers.enumerated() {
            poll.add(publisher.connection.descriptor, number, [.read, .write])
        }
        for (number, subscriber) in subscribers.enumerated() {
            poll.add(subscriber.connection.descriptor, publishers.count + number, .read)
        }
        return try run(publishers, subscribers, seconds)
    }

    private func open(_ count: Int, _ role: String) throws -> [MQTTConnection] {
        try MQTTConnector(broker: broker, role: role).open(count)
    }

    private func run(
        _ publishers: [MQTTPublisher], _ subscribers: [MQTTSubscriber], _ seconds: Double
    ) throws -> Outcome {
        // What epoll watches each for.
        var interests = [EventPoll.Interest](repeating: [.read, .write], count: publishers.count)
        interests += [EventPoll.Interest](repeating: .read, count: subscribers.count)
        var isStopping = false
        var cutOff = 0
        let before = try broker.processorSeconds()
        let own = Self.threadSeconds()
        let start = ContinuousClock.now
        let end = start + .seconds(seconds)
        var last = start
        var now = start
        while true {
            now = ContinuousClock.now
            if now >= end, !isStopping {
                isStopping = true
                for publisher in publishers { publisher.send(isStopping: true) }
            }
            if isStopping {
                if isComplete(publishers, subscribers) { break }
                // A message that a full socket took a part of is still to be ended: that is progress by the broker's leave.
                if now - max(last, end) > Self.quiet || now - end > Self.drainLimit { break }
            }
            poll.wait(20) { number, ready in
                let connection: MQTTConnection
                let served: (hasProgress: Bool, wantsWrite: Bool)
                if number < publishers.count {
                    connection = publishers[number].connection
                    served = serve(publishers[number], ready, isStopping)
                } else {
                    let subscriber = subscribers[number - publishers.count]
                    connection = subscriber.connection
                    served = serve(subscriber, ready)
                }
                if served.hasProgress { last = now }
                guard connection.isOpen else {
                    cutOff += 1
                    poll.remove(connection.descriptor)
                    return
                }
                let interest: EventPoll.Interest = served.wantsWrite ? [.read, .write] : .read
                guard interest != interests[number] else { return }
                interests[number] = interest
                poll.change(connection.descriptor, number, interest)
            }
        }
        var outcome = Outcome()
        outcome.published = publishers.reduce(0) { $0 + $1.published }
        outcome.acknowledged = publishers.reduce(0) { $0 + $1.acknowledged }
        outcome.delivered = subscribers.reduce(0) { $0 + $1.delivered }
        outcome.expected = outcome.published * subscribers.count
        outcome.cutOff = cutOff
        // Without subscribers and acknowledgements the last thing to happen is the last publish.
        outcome.seconds = (last == start ? start.duration(to: now) : start.duration(to: last)) / .seconds(1)
        outcome.processorSeconds = zip(try broker.processorSeconds(), before).map { $0 - $1 }
        // Processor time includes the wait for what is lost, in which nothing is done.
        outcome.generatorShare = (Self.threadSeconds() - own) / outcome.seconds
        guard outcome.delivered <= outcome.expected else {
            throw BenchmarkFailure(description: "\(broker.name), \(shape.name): more was delivered than published")
        }
        return outcome
    }

    private func serve(
        _ publisher: MQTTPublisher, _ ready: EventPoll.Interest, _ isStopping: Bool
    ) -> (hasProgress: Bool, wantsWrite: Bool) {
        var acknowledged = 0
        if ready.contains(.read) {
            publisher.connection.receive(input) { head, _ in
                if head == MQTTPacket.publishAcknowledgement { acknowledged += 1 }
            }
        }
        publisher.acknowledge(acknowledged)
        publisher.send(isStopping: isStopping)
        return (acknowledged > 0, publisher.wantsWrite)
    }

    private func serve(
        _ subscriber: MQTTSubscriber, _ ready: EventPoll.Interest
    ) -> (hasProgress: Bool, wantsWrite: Bool) {
        let delivered = subscriber.delivered
        if ready.contains(.read) { subscriber.receive(input) } else { subscriber.flush() }
        return (subscriber.delivered > delivered, subscriber.wantsWrite)
    }

    /// User and system time of the calling thread.
    private static func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func isComplete(_ publishers: [MQTTPublisher], _ subscribers: [MQTTSubscriber]) -> Bool {
        guard publishers.allSatisfy(\.isFinished) else { return false }
        let published = publishers.reduce(0) { $0 + $1.published }
        return subscribers.allSatisfy { $0.delivered >= published && !$0.wantsWrite }
    }
}
