// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// A TCP connection to loopback on which a test says and hears exact bytes. Blocking; used on a thread of its own through ``wire(port:_:)``.
///
/// `@unchecked`: one thread at a time.
public final class RawConnection: @unchecked Sendable {
    /// What ends a conversation.
    public enum Failure: Error {
        case cannotConnect(Int32)
        case broken(Int32)
        case endedBefore(String, received: String)
    }

    /// A response as it came.
    public struct Response: Equatable, Sendable {
        public var status: Int
        /// Names in lower case.
        public var fields: [String: String]
        public var body: String

        /// A member of the problem document.
        public func member(_ name: String) -> String? {
            let object = try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]
            return (object?[name]).map { "\($0)" }
        }

        /// Of a problem document.
        public var reason: String? { member("reason") }
    }

    private let descriptor: Int32
    private var received: [UInt8] = []

    /// - Parameter receiveBufferBytes: the kernel's; small for a client that is to read slowly.
    public init(port: Int, receiveBufferBytes: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure.cannotConnect(errno) }
        // Ends a test that would hang; nothing is measured by it.
        var timeout = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        if var bytes = receiveBufferBytes {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            let code = errno
            close(descriptor)
            throw Failure.cannotConnect(code)
        }
    }

    deinit { close(descriptor) }

    /// Sends everything.
    public func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// Sends everything.
    public func send(_ bytes: [UInt8]) throws {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + offset, bytes.count - offset, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Failure.broken(errno) }
            offset += count
        }
    }

    /// One write a byte.
    public func sendByteByByte(_ text: String) throws {
        for byte in text.utf8 { try send([byte]) }
    }

    /// Half-closes.
    public func shutDownSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next response, its content by Content-Length.
    public func readResponse(toHEAD: Bool = false) throws -> Response {
        var end = headEnd()
        while end == nil {
            guard try fill() else {
                throw Failure.endedBefore("a response's head", received: String(decoding: received, as: UTF8.self))
            }
            end = headEnd()
        }
        let lines = String(decoding: received[..<(end ?? 0)], as: UTF8.self).components(separatedBy: "\r\n")
        received.removeFirst((end ?? 0) + 4)
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon].lowercased()] =
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let status = lines.first.flatMap { Int($0.split(separator: " ").dropFirst().first ?? "") } ?? -1
        let length = toHEAD || status < 200 || status == 204 ? 0 : Int(fields["content-length"] ?? "0") ?? 0
        while received.count < length {
            guard try fill() else { throw Failure.endedBefore("a response's content", received: "") }
        }
        let body = String(decoding: received[..<length], as: UTF8.self)
        received.removeFirst(length)
        return Response(status: status, fields: fields, body: body)
    }

    /// Exactly so many bytes.
    public func read(_ count: Int) throws -> [UInt8] {
        while received.count < count {
            guard try fill() else {
                throw Failure.endedBefore("\(count) bytes", received: String(decoding: received, as: UTF8.self))
            }
        }
        defer { received.removeFirst(count) }
        return Array(received[..<count])
    }

    /// A line without its line feed; nil when the server has ended the connection before it.
    public func readLine() throws -> String? {
        while true {
            if let end = received.firstIndex(of: 10) {
                defer { received.removeFirst(end + 1) }
                return String(decoding: received[..<end], as: UTF8.self)
            }
            guard try fill() else { return nil }
        }
    }

    /// Everything until the server ends the connection.
    public func readToEnd() throws -> String {
        while try fill() {}
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    /// Everything until the server ends the connection, be it by a reset.
    public func readUntilClosed() throws -> [UInt8] {
        do {
            while try fill() {}
        } catch Failure.broken(ECONNRESET) {}
        defer { received = [] }
        return received
    }

    /// As much as has come, at most so many bytes; waits for the first of them. Empty when the peer has ended the connection.
    public func readSome(_ maximum: Int) throws -> [UInt8] {
        if received.isEmpty { _ = try fill(maximum) }
        let count = min(maximum, received.count)
        defer { received.removeFirst(count) }
        return Array(received[..<count])
    }

    /// - Returns: false when the peer has ended the connection.
    private func fill(_ maximum: Int = 64 << 10) throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: maximum)
        while true {
            let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw Failure.broken(errno) }
            received.append(contentsOf: chunk[..<count])
            return count > 0
        }
    }

    private func headEnd() -> Int? {
        guard received.count >= 4 else { return nil }
        return (0...(received.count - 4)).first { Array(received[$0..<($0 + 4)]) == [13, 10, 13, 10] }
    }
}

/// Runs a conversation on a thread of its own, so that nothing of the concurrency pool is blocked: the adapter may need it.
public func wire<Result: Sendable>(
    port: Int, receiveBufferBytes: Int32? = nil, _ body: @escaping @Sendable (RawConnection) throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(
                with: Swift.Result {
                    try body(RawConnection(port: port, receiveBufferBytes: receiveBufferBytes))
                })
        }
    }
}

/// As ``wire(port:receiveBufferBytes:_:)`` on a connection that is open already.
public func wire<Client: Sendable, Result: Sendable>(
    _ client: Client, _ body: @escaping @Sendable (Client) throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result { try body(client) }) }
    }
}
