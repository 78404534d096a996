// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation

/// A client that speaks the bus's protocol byte by byte, blocking, so that tests see exactly what goes over the socket.
final class WireClient {
    struct Broken: Error, CustomStringConvertible {
        let description: String
    }

    let descriptor: Int32
    private var buffer: [UInt8] = []

    /// Connects without a word.
    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Broken(description: "socket: \(errno)") }
        // Ends a test that hangs; measures nothing.
        var time = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard result == 0 else {
            close(descriptor)
            throw Broken(description: "connect \(path): \(errno)")
        }
    }

    /// Connects and says hello.
    convenience init(_ path: String, as name: String) throws {
        try self.init(path)
        try send(Frames.hello(name))
        let frame = try receive()
        guard frame.opcode == .welcome else { throw Broken(description: "no welcome but \(frame)") }
        welcome = try JSONDecoder().decode(Wire.Welcome.self, from: Data(frame.body))
    }

    private(set) var welcome: Wire.Welcome?
    var inbox: String { "inbox.\(welcome?.connection ?? "")" }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var offset = 0
        while offset < bytes.count {
            let sent = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress.map { $0 + offset }, bytes.count - offset, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { throw Broken(description: "send: \(errno)") }
            offset += sent
        }
    }

    /// Sends as much as fits without waiting.
    /// - Returns: bytes sent.
    func sendWhatFits(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes {
            max(
                Glibc.send(
                    descriptor, $0.baseAddress, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT)), 0)
        }
    }

    /// The next frame. Throws at the end of the connection.
    func receive() throws -> Frame {
        while true {
            if let frame = Frame(&buffer) { return frame }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { throw Broken(description: count == 0 ? "closed" : "recv: \(errno)") }
            buffer.append(contentsOf: chunk[..<count])
        }
    }

    /// Frames until one satisfies the condition, that one included.
    func receive(until condition: (Frame) -> Bool) throws -> [Frame] {
        var frames: [Frame] = []
        repeat { frames.append(try receive()) } while !condition(frames[frames.count - 1])
        return frames
    }

    /// Waits until the bus has handled everything sent before, and returns what came meanwhile.
    func flush(token: UInt32 = 0xFFFF) throws -> [Frame] {
        try send(Frames.control(.ping, token: token))
        return try receive { $0.opcode == .pong && $0.token == token }.dropLast()
    }

    /// True when the bus closes without another frame.
    func isClosed() -> Bool {
        do {
            _ = try receive()
            return false
        } catch {
            return true
        }
    }

    @discardableResult
    func subscribe(_ identifier: UInt32, _ filter: String, group: String = "") throws -> Frame {
        try send(Frames.subscribe(identifier, filter, group: group))
        return try receive()
    }

    func command(_ command: Wire.Command, _ value: some Encodable) throws -> Frame {
        try send(
            Frames.control(
                .command, extra: command.rawValue, token: 77, body: Array(try JSONEncoder().encode(value))))
        return try receive { $0.token == 77 && ($0.opcode == .done || $0.opcode == .failed) }[0...].last
            ?? { throw Broken(description: "no answer") }()
    }

    func consume(_ identifier: UInt32, _ stream: String, _ consumer: ConsumerConfiguration) throws -> Frame {
        let body = try JSONEncoder().encode(Wire.Consume(stream: stream, consumer: consumer))
        try send(Frames.control(.consume, token: identifier, body: Array(body)))
        return try receive()
    }

    func acknowledge(_ identifier: UInt32, _ kind: Wire.Acknowledgement, _ sequence: UInt64, _ rest: [UInt8] = [])
        throws
    {
        try send(
            Frames.control(
                .acknowledge, extra: kind.rawValue, token: identifier, body: Frames.bytes(sequence) + rest))
    }
}
