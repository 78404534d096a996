// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Glibc
import NIOCore
import TestKit

/// The other end of the socket, played by the test: it says exactly the bytes that it is told, in the pieces that it is told.
final class ScriptedPeer: @unchecked Sendable {
    /// `@unchecked`: a test calls one method after the other.
    private let listener: Int32
    private var connection: Int32 = -1
    private var received: [UInt8] = []

    struct Frame {
        var opcode: UInt8
        var flags: UInt8
        /// Control: `extra`; data: the subject's length.
        var short: UInt16
        var token: UInt32
        /// Behind the head.
        var body: [UInt8]
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    init(path: String) throws {
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard listener >= 0 else { throw SystemError(call: "socket", code: errno) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { field in
            for (index, byte) in path.utf8.prefix(field.count - 1).enumerated() { field[index] = byte }
        }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, listen(listener, 16) == 0 else { throw SystemError(call: "bind \(path)", code: errno) }
    }

    deinit {
        if connection >= 0 { close(connection) }
        close(listener)
    }

    /// Runs blocking calls on a thread of their own.
    private func blocking<Output: Sendable>(_ body: @escaping @Sendable () throws -> Output) async throws -> Output {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }

    private func wait(_ descriptor: Int32) throws {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 60_000) == 1 else { throw DeadlineExceeded("the client sends", after: .seconds(60)) }
    }

    /// The next connection, greeted.
    func welcome(maximumPayloadBytes: Int = 1 << 20) async throws {
        try await acceptConnection()
        let hello = try await nextFrame()
        guard hello.opcode == Wire.Opcode.hello.rawValue else { throw SystemError(call: "hello", code: EPROTO) }
        let welcome = Wire.Welcome(
            version: Wire.version, maximumPayloadBytes: maximumPayloadBytes, connection: "c1", instance: "i1")
        try await send(Self.control(.welcome, body: Array(JSONEncoder().encode(welcome))))
    }

    func acceptConnection() async throws {
        let (listener, earlier) = (listener, connection)
        connection = try await blocking {
            if earlier >= 0 { close(earlier) }
            try self.wait(listener)
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { throw SystemError(call: "accept", code: errno) }
            return descriptor
        }
        received = []
    }

    func hangUp() {
        if connection >= 0 { close(connection) }
        connection = -1
    }

    /// Writes the bytes in pieces of the given lengths, one after the other for ever, each in a write of its own.
    func send(_ bytes: [UInt8], pieces: [Int] = []) async throws {
        let connection = connection
        try await blocking {
            var (offset, piece) = (0, 0)
            while offset < bytes.count {
                let length = pieces.isEmpty ? bytes.count : max(1, pieces[piece % pieces.count])
                let end = min(bytes.count, offset + length)
                piece += 1
                while offset < end {
                    let count = bytes[offset..<end].withUnsafeBytes {
                        Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    guard count > 0 else { throw SystemError(call: "send", code: errno) }
                    offset += count
                }
                if !pieces.isEmpty { sched_yield() }
            }
        }
    }

    func nextFrame() async throws -> Frame {
        while true {
            if let frame = takeFrame() { return frame }
            let connection = connection
            let bytes = try await blocking {
                try self.wait(connection)
                var chunk = [UInt8](repeating: 0, count: 64 << 10)
                let count = recv(connection, &chunk, chunk.count, 0)
                guard count > 0 else { throw SystemError(call: "recv", code: count == 0 ? ECONNRESET : errno) }
                return Array(chunk[..<count])
            }
            received += bytes
        }
    }

    private func takeFrame() -> Frame? {
        var buffer = ByteBuffer(bytes: received)
        guard let length = buffer.readInteger(endianness: .little, as: UInt32.self),
            buffer.readableBytes >= Int(length),
            let (opcode, flags, short, token) = buffer.readMultipleIntegers(
                endianness: .little, as: (UInt8, UInt8, UInt16, UInt32).self)
        else { return nil }
        let body = Array(received[12..<4 + Int(length)])
        received.removeFirst(4 + Int(length))
        return Frame(opcode: opcode, flags: flags, short: short, token: token, body: body)
    }

    // MARK: - Frames, written independently of the client's encoder

    static func control(
        _ opcode: Wire.Opcode, flags: UInt8 = 0, token: UInt32 = 0, extra: UInt16 = 0, body: [UInt8] = []
    ) -> [UInt8] {
        little(UInt32(8 + body.count)) + [opcode.rawValue, flags] + little(extra) + little(token) + body
    }

    static func stored(token: UInt32, count: UInt32, sequence: UInt64) -> [UInt8] {
        control(.stored, token: token, body: little(count) + little(UInt32(0)) + little(sequence))
    }

    static func delivery(
        _ opcode: Wire.Opcode = .publish, token: UInt32 = 0, subject: String, reply: String = "", headers: [UInt8] = [],
        stream: (sequence: UInt64, storedAt: Int64, deliveryCount: UInt32)? = nil, payload: [UInt8]
    ) -> [UInt8] {
        var rest: [UInt8] = []
        if let stream {
            rest += little(stream.sequence) + little(stream.storedAt) + little(stream.deliveryCount) + little(UInt32(0))
        }
        rest += Array(subject.utf8) + Array(reply.utf8) + headers + payload
        return little(UInt32(12 + rest.count)) + [opcode.rawValue, 0] + little(UInt16(subject.utf8.count))
            + little(token) + little(UInt16(reply.utf8.count)) + little(UInt16(headers.count)) + rest
    }

    static func little<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}
