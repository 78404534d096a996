// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation

/// Publishers that wait for each acknowledgement before they publish again.
struct DurableLoad: Sendable {
    enum Shape: Sendable {
        /// A connection for each publisher.
        case connections
        /// One connection that keeps as many publishes under way as there are publishers.
        case pipelined
    }

    let payload = [UInt8](repeating: UInt8(ascii: "x"), count: 256)
    let seconds: Double
    let subject: String

    private final class Client {
        let socket: LoadSocket
        let number: Int
        var token: UInt32 = 0
        var input: [UInt8] = []
        var outstanding = 0

        init(_ socket: LoadSocket, _ number: Int) {
            self.socket = socket
            self.number = number
        }
    }

    /// - Returns: acknowledged publishes per second.
    func run(_ dialect: any BrokerDialect, publishers: Int, shape: Shape) throws -> Double {
        let isPipelined = shape == .pipelined
        let clients = try (0..<(isPipelined ? 1 : publishers)).map { number in
            let socket = try dialect.connect()
            try dialect.prepareDurable(socket, client: number)
            return Client(socket, number)
        }
        let poll = epoll_create1(0)
        defer { close(poll) }
        for client in clients {
            var event = epoll_event()
            event.events = EPOLLIN.rawValue
            event.data.u64 = UInt64(client.number)
            epoll_ctl(poll, EPOLL_CTL_ADD, client.socket.descriptor, &event)
        }
        let start = ContinuousClock.now
        let end = start + .seconds(seconds)
        for client in clients { try publish(dialect, client, isPipelined ? publishers : 1) }
        var acknowledged = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var events = [epoll_event](repeating: epoll_event(), count: 256)
        var last = ContinuousClock.now
        while ContinuousClock.now < end {
            let count = epoll_wait(poll, &events, 256, 1000)
            for index in 0..<Int(max(count, 0)) {
                let client = clients[Int(events[index].data.u64)]
                let bytes = buffer.withUnsafeMutableBytes { client.socket.receive($0) }
                guard bytes > 0 else { throw BenchmarkFailure(description: "a publisher was cut off") }
                client.input += buffer[..<bytes]
                let told = try dialect.acknowledged(&client.input)
                guard told > 0 else { continue }
                acknowledged += told
                last = ContinuousClock.now
                try publish(dialect, client, told)
            }
        }
        guard acknowledged > 0 else { throw BenchmarkFailure(description: "nothing was acknowledged") }
        return Double(acknowledged) / (start.duration(to: last) / .seconds(1))
    }

    private func publish(_ dialect: any BrokerDialect, _ client: Client, _ count: Int) throws {
        var bytes: [UInt8] = []
        for _ in 0..<count {
            client.token = client.token == .max ? 1 : client.token + 1
            bytes += dialect.durablePublish(subject, payload: payload, token: client.token, client: client.number)
        }
        try client.socket.send(bytes)
    }
}

/// What the disk itself does: a record appended and synced, one after the other.
enum RawAppend {
    /// - Parameter isPreallocated: the file has its size already, so that a sync need not change it.
    static func run(_ directory: String, seconds: Double, isPreallocated: Bool) throws -> Double {
        let path = directory + "/append"
        let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw BenchmarkFailure(description: "open \(path): errno \(errno)") }
        defer {
            close(descriptor)
            unlink(path)
        }
        if isPreallocated { posix_fallocate(descriptor, 0, 256 << 20) }
        let record = [UInt8](repeating: 1, count: 336)
        var offset = 0
        var count = 0
        let start = ContinuousClock.now
        let end = start + .seconds(seconds)
        while ContinuousClock.now < end {
            guard pwrite(descriptor, record, record.count, off_t(offset)) == record.count, fdatasync(descriptor) == 0
            else { throw BenchmarkFailure(description: "fdatasync: errno \(errno)") }
            offset += record.count
            count += 1
        }
        return Double(count) / (start.duration(to: .now) / .seconds(1))
    }
}
