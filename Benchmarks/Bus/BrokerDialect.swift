// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation

/// How the load generator speaks to a broker, so that both do the same work.
protocol BrokerDialect: Sendable {
    func connect() throws -> LoadSocket
    /// Subscribes and returns once the broker has confirmed it.
    func subscribe(_ socket: LoadSocket, to filter: String) throws
    func publish(_ subject: String, payload: [UInt8]) -> [UInt8]
    /// Bytes of one delivered message.
    func deliveredLength(_ subject: String, payload: [UInt8]) -> Int
    /// A publish that asks for an acknowledgement.
    func durablePublish(_ subject: String, payload: [UInt8], token: UInt32, client: Int) -> [UInt8]
    /// Prepares a connection for acknowledgements.
    func prepareDurable(_ socket: LoadSocket, client: Int) throws
    /// How many publishes the bytes acknowledge; takes off what was used.
    /// - Throws: when one was refused.
    func acknowledged(_ buffer: inout [UInt8]) throws -> Int
}

/// Shared/Bus/Wire.swift.
struct MartletDialect: BrokerDialect {
    let path: String

    func connect() throws -> LoadSocket {
        let socket = try LoadSocket.unix(path)
        try socket.send(control(.hello, token: 0, extra: 0, body: Array(#"{"version":1,"name":"test"}"#.utf8)))
        guard try socket.receiveFrame()[4] == Wire.Opcode.welcome.rawValue else {
            throw BenchmarkFailure(description: "the bus does not let 'test' in")
        }
        return socket
    }

    func subscribe(_ socket: LoadSocket, to filter: String) throws {
        try socket.send(control(.subscribe, token: 1, extra: UInt16(filter.utf8.count), body: Array(filter.utf8)))
        guard try socket.receiveFrame()[4] == Wire.Opcode.done.rawValue else {
            throw BenchmarkFailure(description: "subscribing failed")
        }
    }

    func publish(_ subject: String, payload: [UInt8]) -> [UInt8] { frame(subject, payload, token: 0, flags: []) }

    func deliveredLength(_ subject: String, payload: [UInt8]) -> Int { publish(subject, payload: payload).count }

    func durablePublish(_ subject: String, payload: [UInt8], token: UInt32, client: Int) -> [UInt8] {
        frame(subject, payload, token: token, flags: .durable)
    }

    func prepareDurable(_ socket: LoadSocket, client: Int) throws {}

    func acknowledged(_ buffer: inout [UInt8]) throws -> Int {
        var position = 0
        var count = 0
        try buffer.withUnsafeBytes { bytes in
            while bytes.count - position >= 16 {
                let length = Int(bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)) + 4
                guard bytes.count - position >= length else { break }
                guard bytes[position + 4] == Wire.Opcode.stored.rawValue else {
                    throw BenchmarkFailure(description: "a durable publish was refused")
                }
                count += Int(bytes.loadUnaligned(fromByteOffset: position + 12, as: UInt32.self))
                position += length
            }
        }
        buffer.removeFirst(position)
        return count
    }

    private func frame(_ subject: String, _ payload: [UInt8], token: UInt32, flags: Wire.Flags) -> [UInt8] {
        var bytes: [UInt8] = []
        append(UInt32(12 + subject.utf8.count + payload.count), &bytes)
        bytes += [Wire.Opcode.publish.rawValue, flags.rawValue]
        append(UInt16(subject.utf8.count), &bytes)
        append(token, &bytes)
        append(UInt32(0), &bytes)
        return bytes + Array(subject.utf8) + payload
    }

    private func control(_ opcode: Wire.Opcode, token: UInt32, extra: UInt16, body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        append(UInt32(8 + body.count), &bytes)
        bytes += [opcode.rawValue, 0]
        append(extra, &bytes)
        append(token, &bytes)
        return bytes + body
    }

    private func append(_ value: some FixedWidthInteger, _ bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    }
}

/// The text protocol of nats-server over loopback TCP.
struct NATSDialect: BrokerDialect {
    let port: UInt16

    func connect() throws -> LoadSocket {
        let socket = try LoadSocket.tcp(port)
        try socket.receive(until: "\r\n")
        try socket.send(Array("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n".utf8))
        try socket.receive(until: "PONG\r\n")
        return socket
    }

    func subscribe(_ socket: LoadSocket, to filter: String) throws {
        try socket.send(Array("SUB \(filter) 1\r\nPING\r\n".utf8))
        try socket.receive(until: "PONG\r\n")
    }

    func publish(_ subject: String, payload: [UInt8]) -> [UInt8] {
        Array("PUB \(subject) \(payload.count)\r\n".utf8) + payload + Array("\r\n".utf8)
    }

    func deliveredLength(_ subject: String, payload: [UInt8]) -> Int {
        "MSG \(subject) 1 \(payload.count)\r\n".utf8.count + payload.count + 2
    }

    func durablePublish(_ subject: String, payload: [UInt8], token: UInt32, client: Int) -> [UInt8] {
        Array("PUB \(subject) _INBOX.\(client) \(payload.count)\r\n".utf8) + payload + Array("\r\n".utf8)
    }

    func prepareDurable(_ socket: LoadSocket, client: Int) throws { try subscribe(socket, to: "_INBOX.\(client)") }

    /// `MSG _INBOX.3 1 35\r\n{"stream":"BENCH","seq":7}\r\n` each; the server's own `PING` is passed over.
    func acknowledged(_ buffer: inout [UInt8]) throws -> Int {
        var count = 0
        var position = 0
        while let end = buffer[position...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: buffer[position...end], as: UTF8.self)
            guard line.hasPrefix("MSG ") else {
                position = end + 1
                continue
            }
            guard let length = line.split(whereSeparator: \.isWhitespace).last.flatMap({ Int($0) }) else {
                throw BenchmarkFailure(description: "unexpected line '\(line)'")
            }
            guard buffer.count >= end + 1 + length + 2 else { break }
            let body = String(decoding: buffer[end + 1..<end + 1 + length], as: UTF8.self)
            guard body.contains("\"seq\"") else { throw BenchmarkFailure(description: "JetStream: \(body)") }
            count += 1
            position = end + 1 + length + 2
        }
        buffer.removeFirst(position)
        return count
    }

    /// Creates a stream with file storage.
    func createStream(_ name: String, subjects: String) throws {
        let socket = try connect()
        try subscribe(socket, to: "_INBOX.create")
        let body = "{\"name\":\"\(name)\",\"subjects\":[\"\(subjects)\"],\"storage\":\"file\",\"retention\":\"limits\"}"
        try socket.send(
            Array("PUB $JS.API.STREAM.CREATE.\(name) _INBOX.create \(body.utf8.count)\r\n\(body)\r\n".utf8))
        try socket.receive(until: "\"created\"")
    }
}
