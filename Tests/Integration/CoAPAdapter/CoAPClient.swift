// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc
import TestKit

/// A UDP socket of a test's own: what goes in and out is exactly what the test says.
final class CoAPClient: Sendable {
    private let descriptor: Int32
    private let queue = DispatchQueue(label: "coap-client")
    private let port: Int
    private let answersPings: Bool

    /// - Parameters:
    ///   - host: of 127.0.0.0/8: another one is another address to the adapter.
    ///   - localPort: 0 for any.
    ///   - answersPings: whether an empty confirmable message is reset, as every client does, and not told of.
    init(port: Int, host: UInt32 = 0x7F00_0001, localPort: Int = 0, answersPings: Bool = true) throws {
        self.port = port
        self.answersPings = answersPings
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(call: "socket", code: errno) }
        try Self.with(host, localPort) { bind(descriptor, $0, $1) }
        try Self.with(0x7F00_0001, port) { connect(descriptor, $0, $1) }
    }

    deinit { close(descriptor) }

    private static func with(
        _ host: UInt32, _ port: Int, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = host.bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw SystemError(call: "bind or connect", code: errno) }
    }

    /// The port of this side.
    var localPort: Int {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    func send(_ message: CoAPMessage) { send(message.bytes) }

    func send(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, 0) }

    /// The next message; nil when none came in time.
    func receive(timeout: Duration = .seconds(20)) async throws -> CoAPMessage? {
        while let message = try await receiveAny(timeout: timeout) {
            guard answersPings, message.kind == .confirmable, message.code == 0 else { return message }
            send(message.reset)
        }
        return nil
    }

    private func receiveAny(timeout: Duration) async throws -> CoAPMessage? {
        let bytes: [UInt8]? = await withCheckedContinuation { continuation in
            queue.async { [descriptor] in
                var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                let end = ContinuousClock.now + timeout
                while true {
                    let left = max(0, Int((end - .now) / .milliseconds(1)))
                    guard poll(&wait, 1, Int32(clamping: left)) > 0 else { return continuation.resume(returning: nil) }
                    var buffer = [UInt8](repeating: 0, count: 65_536)
                    let count = recv(descriptor, &buffer, buffer.count, 0)
                    // A port that nobody listens on is told by ICMP.
                    guard count >= 0 else {
                        usleep(20_000)
                        continue
                    }
                    return continuation.resume(returning: Array(buffer.prefix(count)))
                }
            }
        }
        return try bytes.map { try CoAPMessage($0) }
    }

    /// Sends, and waits for the next datagram.
    func exchange(_ message: CoAPMessage, timeout: Duration = .seconds(20)) async throws -> CoAPMessage {
        send(message)
        guard let answer = try await receive(timeout: timeout) else {
            throw DeadlineExceeded("an answer comes", after: timeout)
        }
        return answer
    }
}
