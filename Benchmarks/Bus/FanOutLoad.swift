// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation
import Synchronization

/// One publisher, some subscribers, everything as fast as it goes.
struct FanOutLoad: Sendable {
    /// 37 bytes each, as a channel's subject with a short subtopic might be.
    static let subjects = (0..<64).map { "bench.channel-0123456789abcdef0123." + ($0 < 10 ? "0\($0)" : "\($0)") }
    /// What the publisher hands to the kernel at once.
    static let batchBytes = 32 << 10
    static let readBytes = 1 << 20

    struct Outcome {
        var messagesPerSecond: Double
        /// Processor seconds of the broker for a million published messages.
        var processorSeconds: Double
    }

    let payload = [UInt8](repeating: UInt8(ascii: "x"), count: 256)
    let seconds: Double

    /// Publishes for `seconds` and waits until every subscriber has got everything.
    func run(_ dialect: any BrokerDialect, subscribers: Int, broker: MeasuredProcess) throws -> Outcome {
        let receivers = try (0..<subscribers).map { _ in
            let socket = try dialect.connect()
            try dialect.subscribe(socket, to: "bench.>")
            return socket
        }
        let publisher = try dialect.connect()
        let frames = Self.subjects.map { dialect.publish($0, payload: payload) }
        let delivered = dialect.deliveredLength(Self.subjects[0], payload: payload)
        let before = broker.processorSeconds
        let (messages, elapsed) = try measure(publisher, frames, receivers, delivered)
        return Outcome(
            messagesPerSecond: Double(messages) / elapsed,
            processorSeconds: (broker.processorSeconds - before) / (Double(messages) / 1e6))
    }

    /// The same without a broker: what a socket pair carries.
    func runRaw(_ dialect: any BrokerDialect) throws -> Double {
        let (publisher, receiver) = try LoadSocket.pair()
        let frames = Self.subjects.map { dialect.publish($0, payload: payload) }
        let (messages, elapsed) = try measure(publisher, frames, [receiver], frames[0].count)
        return Double(messages) / elapsed
    }

    private func measure(
        _ publisher: LoadSocket, _ frames: [[UInt8]], _ receivers: [LoadSocket], _ deliveredLength: Int
    ) throws -> (messages: Int, seconds: Double) {
        var batch: [UInt8] = []
        var perBatch = 0
        while batch.count + frames[0].count <= Self.batchBytes {
            batch += frames[perBatch % frames.count]
            perBatch += 1
        }
        // How many messages each subscriber has to get; known once publishing has ended.
        let target = Shared()
        let receiving = Thread { Self.receive(receivers, deliveredLength, target) }
        receiving.stackSize = 1 << 20
        let start = ContinuousClock.now
        receiving.start()
        let end = start + .seconds(seconds)
        var messages = 0
        try batch.withUnsafeBytes { bytes in
            while ContinuousClock.now < end {
                for _ in 0..<16 {
                    guard publisher.send(bytes) else {
                        throw BenchmarkFailure(description: "the publisher was cut off")
                    }
                    messages += perBatch
                }
            }
        }
        target.expect(messages)
        guard target.finished.wait(timeout: .now() + 120) == .success else {
            throw BenchmarkFailure(description: "not everything was delivered within two minutes")
        }
        if let problem = target.problem { throw BenchmarkFailure(description: problem) }
        let elapsed = start.duration(to: .now)
        return (messages, elapsed / .seconds(1))
    }

    /// Between the publisher's thread and the subscribers'.
    private final class Shared: Sendable {
        let finished = DispatchSemaphore(value: 0)
        private let wanted = Atomic<Int>(Int.max)
        private let failure = Mutex<String?>(nil)

        func expect(_ messages: Int) { wanted.store(messages, ordering: .releasing) }
        var expected: Int { wanted.load(ordering: .acquiring) }
        var problem: String? { failure.withLock { $0 } }

        func finish(_ problem: String? = nil) {
            failure.withLock { $0 = problem }
            finished.signal()
        }
    }

    /// All subscribers on one thread, each read a mebibyte at a time; messages are counted by their length.
    private static func receive(_ receivers: [LoadSocket], _ length: Int, _ target: Shared) {
        let poll = epoll_create1(0)
        defer { close(poll) }
        for (index, receiver) in receivers.enumerated() {
            var event = epoll_event()
            event.events = EPOLLIN.rawValue
            event.data.u64 = UInt64(index)
            epoll_ctl(poll, EPOLL_CTL_ADD, receiver.descriptor, &event)
        }
        var received = [Int](repeating: 0, count: receivers.count)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: readBytes, alignment: 64)
        defer { buffer.deallocate() }
        var events = [epoll_event](repeating: epoll_event(), count: 16)
        while received.contains(where: { $0 / length < target.expected }) {
            // Short, because what is expected may become known while nothing arrives.
            let count = epoll_wait(poll, &events, 16, 20)
            guard count > 0 else { continue }
            for index in 0..<Int(count) {
                let receiver = Int(events[index].data.u64)
                let bytes = receivers[receiver].receive(buffer)
                guard bytes > 0 else { return target.finish("a subscriber was cut off") }
                received[receiver] += bytes
            }
        }
        target.finish()
    }
}
