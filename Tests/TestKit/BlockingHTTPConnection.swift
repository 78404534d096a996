// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// One keep-alive HTTP/1.1 connection over a blocking socket to loopback: the plainest client there is, so that nothing clever stands
/// between a test and the server. Not thread-safe; one per thread.
public final class BlockingHTTPConnection {
    public struct Response: Sendable {
        public var status: Int
        /// Names in lower case.
        public var headers: [String: String]
        public var body: [UInt8]
        public var text: String { String(decoding: body, as: UTF8.self) }
    }

    public enum Failure: Error {
        case cannotConnect(Int32)
        /// The connection broke or timed out before the whole answer was there: whether the request was carried out is unknown.
        case broken
        case malformed(String)
    }

    private let port: UInt16
    private let timeoutSeconds: Int
    private var descriptor: Int32 = -1
    private var received: [UInt8] = []

    public init(port: Int, timeoutSeconds: Int = 15) {
        self.port = UInt16(truncatingIfNeeded: port)
        self.timeoutSeconds = timeoutSeconds
    }

    deinit { close() }

    public func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        received.removeAll(keepingCapacity: true)
    }

    /// Sends one request and reads its answer; connects first where needed. After a throw the next call connects anew.
    public func send(
        _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8] = []
    ) throws -> Response {
        do {
            try connectIfNeeded()
            var head = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nContent-Length: \(body.count)\r\n"
            for (name, value) in headers { head += "\(name): \(value)\r\n" }
            head += "\r\n"
            try write(Array(head.utf8) + body)
            let response = try readResponse()
            if response.headers["connection"]?.lowercased() == "close" { close() }
            return response
        } catch {
            close()
            throw error
        }
    }

    // MARK: Parts of requests

    /// Sends bytes as they are, whole request or not; connects first where needed.
    public func send(raw bytes: [UInt8]) throws {
        try connectIfNeeded()
        try write(bytes)
    }

    /// Reads the next answer to what was sent with ``send(raw:)``.
    public func receive() throws -> Response { try readResponse() }

    /// Takes some bytes off the socket as they are, for a client that reads slowly.
    /// - Returns: how many; 0 once the server has ended the connection.
    /// - Throws: ``Failure/broken`` when nothing comes within the time-out.
    public func receiveSome(atMost limit: Int) throws -> Int {
        var chunk = [UInt8](repeating: 0, count: limit)
        while true {
            let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count >= 0 { return count }
            if errno == ECONNRESET { return 0 }
            guard errno == EINTR else { throw Failure.broken }
        }
    }

    /// Whether something has come that was not read yet.
    public var hasReceived: Bool {
        var byte: UInt8 = 0
        return !received.isEmpty
            || recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) > 0
    }

    /// Reads until the server ends the connection.
    /// - Returns: everything that it still said.
    /// - Throws: ``Failure/broken`` when it keeps the connection open for longer than the time-out.
    public func receiveToEnd() throws -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count < 0 && errno == EINTR { continue }
            if count == 0 || (count < 0 && errno == ECONNRESET) { break }
            guard count > 0 else { throw Failure.broken }
            received.append(contentsOf: chunk[..<count])
        }
        defer { close() }
        return received
    }

    private func connectIfNeeded() throws {
        guard descriptor < 0 else { return }
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw Failure.cannotConnect(errno) }
        var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            let code = errno
            Glibc.close(socket)
            throw Failure.cannotConnect(code)
        }
        descriptor = socket
    }

    private func write(_ bytes: [UInt8]) throws {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + offset, bytes.count - offset, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Failure.broken }
            offset += count
        }
    }

    private func fill() throws {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Failure.broken }
            received.append(contentsOf: chunk[..<count])
            return
        }
    }

    private func readResponse() throws -> Response {
        var end = Self.headEnd(received)
        while end == nil {
            try fill()
            end = Self.headEnd(received)
        }
        guard let end else { throw Failure.broken }
        let lines = String(decoding: received[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw Failure.malformed(lines.first ?? "")
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        received.removeFirst(end + 4)
        if status == 100 { return try readResponse() }
        let body =
            try headers["transfer-encoding"] == "chunked"
            ? readChunks() : readBytes(Int(headers["content-length"] ?? "0") ?? 0)
        return Response(status: status, headers: headers, body: body)
    }

    private func readBytes(_ count: Int) throws -> [UInt8] {
        while received.count < count { try fill() }
        let bytes = Array(received[..<count])
        received.removeFirst(count)
        return bytes
    }

    private func readLine() throws -> String {
        while true {
            if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: received[..<end], as: UTF8.self).trimmingCharacters(
                    in: .whitespacesAndNewlines)
                received.removeFirst(end + 1)
                return line
            }
            try fill()
        }
    }

    private func readChunks() throws -> [UInt8] {
        var body: [UInt8] = []
        while true {
            guard let size = Int(try readLine(), radix: 16) else { throw Failure.malformed("chunk size") }
            body += try readBytes(size)
            _ = try readLine()
            if size == 0 { return body }
        }
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in 0...(bytes.count - 4)
        where bytes[index] == 13 && bytes[index + 1] == 10 && bytes[index + 2] == 13 && bytes[index + 3] == 10 {
            return index
        }
        return nil
    }
}
