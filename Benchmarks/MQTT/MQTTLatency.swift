// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation

/// From the moment when a message is due to when its subscriber has read it, at a fixed rate, whether or not the broker keeps up.
struct MQTTLatency {
    struct Outcome {
        /// Milliseconds, in order.
        var latencies: [Float] = []
        var published = 0
        var delivered = 0
        var messagesPerSecond = 0.0

        /// Nearest rank; NaN without values.
        func percentile(_ share: Double) -> Double {
            guard !latencies.isEmpty else { return .nan }
            let rank = Int((share * Double(latencies.count)).rounded(.up))
            return Double(latencies[min(max(rank, 1), latencies.count) - 1])
        }
    }

    private static let publishers = 50
    private static let drain = Duration.seconds(2)

    let broker: MQTTBroker
    let qualityOfService: UInt8
    let messagesPerSecond: Int
    private let payload = MQTTPayload(byteCount: 64)
    private let poll = EventPoll()
    private let input = MQTTConnection.Input()

    init(_ broker: MQTTBroker, qualityOfService: UInt8, messagesPerSecond: Int) {
        self.broker = broker
        self.qualityOfService = qualityOfService
        self.messagesPerSecond = messagesPerSecond
    }

    /// Nothing of the first fifth of the time counts.
    func run(seconds: Double) throws -> Outcome {
        let connector = MQTTConnector(broker: broker, role: "latency-subscriber")
        let subscriber = MQTTSubscriber(try connector.open(1)[0])
        try connector.subscribe([subscriber.connection], qualityOfService: qualityOfService)
        let publishers = try MQTTConnector(broker: broker, role: "latency-publisher").open(Self.publishers)
        poll.add(subscriber.connection.descriptor, publishers.count, .read)
        for (number, publisher) in publishers.enumerated() { poll.add(publisher.descriptor, number, .read) }
        let alarm = timerfd_create(Int32(CLOCK_MONOTONIC), Int32(TFD_NONBLOCK))
        defer { close(alarm) }
        poll.add(alarm, publishers.count + 1, .read)

        var packets = publishers.indices.map { number in
            MQTTPacket.publish(
                broker.topic(publisher: number), identifier: qualityOfService == 0 ? nil : 1, payload: payload.bytes)
        }
        let identifier = qualityOfService == 0 ? nil : packets[0].count - payload.byteCount - 2
        let interval = 1_000_000_000 / messagesPerSecond
        let total = Int(Double(messagesPerSecond) * seconds)
        let counted = total / 5
        var outcome = Outcome()
        outcome.latencies.reserveCapacity(total)
        let start = Self.now() + 1_000_000
        let firstCounted = start + counted * interval
        let limit = start + total * interval + Int(Self.drain / .nanoseconds(1))
        var sent = 0
        // Bytes of the next message that the kernel has taken already.
        var begun = 0
        while subscriber.delivered < total, Self.now() < limit {
            // All that is due, each with the moment when it was due: being late here counts as well, and so does a socket that is full.
            while sent < total, start + sent * interval <= Self.now() {
                let number = sent % publishers.count
                if begun == 0 {
                    payload.stamp(&packets[number], start + sent * interval)
                    if let identifier {
                        let next = UInt16(sent / publishers.count % 65_535 + 1)
                        packets[number][identifier] = UInt8(next >> 8)
                        packets[number][identifier + 1] = UInt8(truncatingIfNeeded: next)
                    }
                }
                begun += packets[number].withUnsafeBytes {
                    publishers[number].send(UnsafeRawBufferPointer(rebasing: $0[begun...]))
                }
                guard begun == packets[number].count else { break }
                begun = 0
                sent += 1
            }
            if sent < total { Self.arm(alarm, start + sent * interval) }
            try poll.wait(begun > 0 ? 1 : sent < total ? 100 : 20) { number, ready in
                if number < publishers.count {
                    publishers[number].receive(input) { _, _ in }
                    guard publishers[number].isOpen else {
                        throw BenchmarkFailure(description: "\(broker.name) cut a publisher off")
                    }
                } else if number == publishers.count {
                    subscriber.receive(input) { content in
                        guard let due = payload.moment(in: content), due >= firstCounted else { return }
                        outcome.latencies.append(Float(Self.now() - due) / 1e6)
                    }
                    guard subscriber.connection.isOpen else {
                        throw BenchmarkFailure(description: "\(broker.name) cut the subscriber off")
                    }
                } else {
                    var expirations: UInt64 = 0
                    _ = read(alarm, &expirations, 8)
                }
            }
        }
        outcome.published = sent
        outcome.delivered = subscriber.delivered
        outcome.messagesPerSecond = Double(sent) / seconds
        outcome.latencies.sort()
        return outcome
    }

    /// Nanoseconds of the monotonic clock.
    private static func now() -> Int {
        var moment = timespec()
        clock_gettime(CLOCK_MONOTONIC, &moment)
        return moment.tv_sec * 1_000_000_000 + moment.tv_nsec
    }

    private static func arm(_ timer: Int32, _ nanoseconds: Int) {
        var setting = itimerspec()
        setting.it_value.tv_sec = nanoseconds / 1_000_000_000
        setting.it_value.tv_nsec = nanoseconds % 1_000_000_000
        timerfd_settime(timer, Int32(TFD_TIMER_ABSTIME), &setting, nil)
    }
}
