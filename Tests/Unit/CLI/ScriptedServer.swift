// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization
import TestKit

/// An HTTP/1.1 server on loopback that answers as a test says: what a real one never does can be played too.
final class ScriptedServer: Sendable {
    struct Request: Sendable {
        var method: String
        var target: String
        /// Names in lower case.
        var headers: [String: String]
        var body: String
    }

    struct Answer: Sendable {
        var status = 200
        var headers: [String: String] = ["Content-Type": "application/json"]
        var body = ""
        /// Without a length, in these pieces, each a segment of its own; the connection ends behind them.
        var pieces: [String]?
        /// The connection is closed without an answer.
        var isDropped = false

        static func json(_ body: String, status: Int = 200) -> Answer { Answer(status: status, body: body) }

        static func events(_ pieces: [String]) -> Answer {
            Answer(headers: ["Content-Type": "text/event-stream", "Connection": "close"], pieces: pieces)
        }
    }

    let port: Int
    var url: String { "http://127.0.0.1:\(port)" }
    private let listener: Int32
    private let received = Mutex<[Request]>([])
    private let handle: @Sendable (Request) -> Answer

    /// - Parameter handle: called on a thread of each connection's own; may wait.
    init(_ handle: @escaping @Sendable (Request) -> Answer) throws {
        self.handle = handle
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isListening else { throw SystemError(call: "listen", code: errno) }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                guard let server = self else {
                    close(connection)
                    return
                }
                Thread.detachNewThread { server.serve(connection) }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    /// All requests so far.
    var requests: [Request] { received.withLock { $0 } }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        var pending: [UInt8] = []
        while let request = Self.read(connection, &pending) {
            received.withLock { $0.append(request) }
            let answer = handle(request)
            if answer.isDropped { return }
            var head = "HTTP/1.1 \(answer.status) Said\r\n"
            for (name, value) in answer.headers { head += "\(name): \(value)\r\n" }
            if let pieces = answer.pieces {
                guard Self.write(connection, head + "\r\n") else { return }
                for piece in pieces { guard Self.write(connection, piece) else { return } }
                return
            }
            guard Self.write(connection, head + "Content-Length: \(answer.body.utf8.count)\r\n\r\n" + answer.body)
            else {
                return
            }
        }
    }

    private static func read(_ connection: Int32, _ pending: inout [UInt8]) -> Request? {
        let end = Array("\r\n\r\n".utf8)
        var headEnd: Int?
        while headEnd == nil {
            headEnd = pending.indices.first { pending[$0...].starts(with: end) }
            if headEnd == nil, !fill(connection, &pending) { return nil }
        }
        let lines = String(decoding: pending[..<(headEnd ?? 0)], as: UTF8.self).components(separatedBy: "\r\n")
        pending.removeFirst((headEnd ?? 0) + 4)
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.last?.trimmingCharacters(in: .whitespaces)
        }
        let length = Int(headers["content-length"] ?? "0") ?? 0
        while pending.count < length { guard fill(connection, &pending) else { return nil } }
        let body = String(decoding: pending[..<length], as: UTF8.self)
        pending.removeFirst(length)
        let words = lines[0].split(separator: " ").map(String.init)
        return Request(method: words[0], target: words[1], headers: headers, body: body)
    }

    private static func fill(_ connection: Int32, _ pending: inout [UInt8]) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = chunk.withUnsafeMutableBytes { recv(connection, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return false }
        pending += chunk[..<count]
        return true
    }

    private static func write(_ connection: Int32, _ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
